"""The kinds of provider that there are in this installation."""

from __future__ import annotations

from importlib.metadata import entry_points

from neko.config.model import ProviderKind

GROUP = "neko.providers"


def kinds() -> tuple[str, ...]:
    """Ours, then those of other packages. One that is named like one of ours is not reached."""
    return (*ProviderKind, *sorted({each.name for each in entry_points(group=GROUP)} - {*ProviderKind}))
