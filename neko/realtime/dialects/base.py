"""What the WebSocket client needs of a dialect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from attrs import field, frozen

from neko.config.snapshot import DEFAULT_VOICE as DEFAULT_VOICE
from neko.realtime.errors import Kind, ProviderError
from neko.realtime.session import Facts, Line, ModelCommand, ModelEvent, Tool


@frozen
class Setup:
    """What a session is to be: frozen when it is dialled."""

    instructions: str
    voice: str
    language: str
    model: str
    lines: Sequence[Line] = field(default=(), repr=False)  # what was said before
    tools: Sequence[Tool] = ()
    resume: str | None = field(default=None, repr=False)
    """The handle of a session that this one goes on with, without any lines; "": it is to give handles, None: it need
    not."""


class Dialect(Protocol):
    """One session's translation between our commands and events and a provider's JSON; pure, without I/O."""

    facts: Facts
    codes: ClassVar[Mapping[str, Kind]]
    """What the vendor's own codes mean, in a refused handshake as in an error event."""

    def url(self, base: str, model: str) -> str: ...

    def headers(self, api_key: str | None) -> Mapping[str, str]: ...

    def open(self, setup: Setup) -> Iterable[dict[str, Any]]:
        """The frames that make a fresh connection the session of `setup`."""
        ...

    def opened(self, frame: Mapping[str, Any]) -> str | None:
        """The session's id once this frame says that `open` took effect."""
        ...

    def prime(self, lines: Sequence[Line]) -> Iterable[dict[str, Any]]: ...

    def write(self, command: ModelCommand) -> Iterable[dict[str, Any]]: ...

    def read(self, frame: Mapping[str, Any]) -> Sequence[ModelEvent]:
        """The events in a frame, in order; none for what concerns nobody here.

        The frame that made `opened` true is read as well: it may say how long the session lasts.
        """
        ...

    def failure(self, frame: Mapping[str, Any]) -> ProviderError | None:
        """The error in a frame when it ends the session.

        A close is asked about as well, as `{"close": {"code": 1008, "reason": "…"}}`; None means what it usually does.
        """
        ...
