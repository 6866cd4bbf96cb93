"""What a server was told in confidence, taken out of what it says about it."""

from __future__ import annotations

from collections.abc import Iterable

HIDDEN = "[the key]"


def without_secrets(said: str, sent: Iterable[tuple[str, str]]) -> str:
    """`said` without the keys among the headers that were sent: some servers repeat a key that they refuse."""
    for name, value in sent:
        secret = value.removeprefix("Bearer ").strip()
        if secret and (name.lower() == "authorization" or "key" in name.lower()):
            said = said.replace(secret, HIDDEN)
    return said
