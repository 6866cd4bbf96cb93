"""How a provider puts things: between the JSON of one API and the values of `neko.testing.exchange`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from neko.testing.exchange import Event, Fact, Request, Settings


class Dialect(Protocol):
    """One session's codec; it may remember what the client configured. Pure: no I/O, no time."""

    path: ClassVar[str]
    """Where the API is served."""

    rate: ClassVar[int]
    """Hz of the PCM16 mono in both directions."""

    def __init__(self, session_id: str, model: str, expires_at: int) -> None:
        """`expires_at` in seconds of Unix time."""
        ...

    @property
    def settings(self) -> Settings:
        """What holds now; before the client configures anything, the API's defaults."""
        ...

    def read(self, frame: str | bytes) -> tuple[Event, Request]:
        """The event as the session records it (sound as bytes), and what it asks for.

        What cannot be understood comes back as `Refused`, never as an exception.
        """
        ...

    def write(self, fact: Fact) -> Iterable[Event]:
        """The events that tell a fact, in order."""
        ...

    def expired(self) -> Iterable[Event]:
        """The events that announce the end of the session's life."""
        ...
