"""What a tool is to the conversation that uses it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from attrs import frozen

from neko.config.snapshot import Snapshot, Tool

USE_WITHIN_S = 60.0  # somebody waits for the answer, and no session is renewed meanwhile

Use = Callable[[str], Awaitable[str]]
"""Uses a tool with these arguments, which are JSON as a model wrote them; what it returns is told to the model.

Raises `ToolError` with what the model is told instead. A cancel ends it, wherever it is.
"""


class ToolError(Exception):
    """A tool cannot do what it was asked for; the text is for the model, which may ask in another way."""


@frozen
class Usable:
    """A tool that may be used now."""

    source: str  # its table in the configuration
    use: Use
    within_s: float = USE_WITHIN_S
    durable: bool = False  # goes on when the person cuts in


class Tools(Protocol):
    """What the characters of a house may use."""

    def declared(self, snapshot: Snapshot) -> tuple[Tool, ...]:
        """The character's tools, as far as they are known at this moment."""
        ...

    def find(self, snapshot: Snapshot, name: str) -> Usable | None:
        """The character's tool that models call so; None when it has none of that name."""
        ...


class NoTools:
    """Of a house without any."""

    def declared(self, snapshot: Snapshot) -> tuple[Tool, ...]:  # noqa: ARG002
        return ()

    def find(self, snapshot: Snapshot, name: str) -> Usable | None:  # noqa: ARG002
        return None
