"""How a provider puts things: between the JSON of one API and the values of `neko.testing.exchange`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from neko.testing.exchange import Event, Fact, HangUp, Request, Settings
    from neko.testing.handles import Handles


@frozen
class Opening:
    """What a session is opened with; `expires_at` in seconds of Unix time."""

    session_id: str
    model: str
    expires_at: int
    handles: Handles


class Dialect(Protocol):
    """One session's codec; it may remember what the client configured. Pure: no I/O, no time."""

    path: ClassVar[str]
    """Where the API is served."""

    hears_hz: ClassVar[int]
    """Hz of the PCM16 mono that the client sends."""

    speaks_hz: ClassVar[int]
    """Hz of the PCM16 mono that the client gets."""

    max_session_s: ClassVar[float | None]
    """How long the provider lets a session live; None where it names no limit."""

    go_away_s: ClassVar[float | None]
    """How long before the end the provider says so; None where it does not."""

    heartbeat_s: ClassVar[float | None]
    """Seconds between the events that say nothing but that the provider lives; None where there are none."""

    def __init__(self, opening: Opening) -> None: ...

    @property
    def settings(self) -> Settings:
        """What holds now; before the client configures anything, the API's defaults."""
        ...

    def kind(self, event: Event) -> str:
        """What an event, of the client's or ours, is called."""
        ...

    def frame(self, event: Event) -> str | bytes:
        """The event as it goes over the wire."""
        ...

    def read(self, frame: str | bytes) -> tuple[Event, tuple[Request, ...]]:
        """The event as the session records it (sound as bytes), and what it asks for, in order.

        What cannot be understood comes back as `Refused`, never as an exception.
        """
        ...

    def write(self, fact: Fact) -> Iterable[Event | HangUp]:
        """The events that tell a fact, in order; none for what the API does not tell."""
        ...
