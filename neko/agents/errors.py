"""What can keep agents from being listened for; imports no ZeroMQ, so that a command can name it."""

from __future__ import annotations


class CannotBind(Exception):
    """An address of `[agents]` cannot be used. `str()` is one sentence: which key, which address, why, what to do."""

    def __init__(self, key: str, address: str, why: str, *, taken: bool) -> None:
        super().__init__(f"agents.{key}: {address} {why}; choose another address")
        self.key = key
        self.taken = taken
