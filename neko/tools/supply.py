"""What a source of tools is to the toolbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import trio

from neko.config.snapshot import Tool


class Supply(Protocol):
    """One configured source. `run` is a task of the toolbox; the rest is for everybody."""

    tools: tuple[Tool, ...]
    """As it describes them, whether it can be used at this moment or not; under the names that models call."""
    tried: trio.Event
    """It has been seen whether it works."""
    problem: str
    """Why it does not; "" when it does."""

    async def run(self, on_change: Callable[[], None]) -> None:
        """Makes it usable, and keeps it so; calls `on_change` when `tools` are others. Raises only bugs."""
        ...

    async def use(self, name: str, arguments: str) -> str:
        """Uses a tool; as `Use`."""
        ...
