"""Why a conversation cannot begin or go on: one type per reason, and `str()` is one sentence for the person."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neko.protocol.errors import StatusCode


class ClientError(Exception):
    """Base of everything that this client raises."""


class BadAddress(ClientError):
    """The URL names no character of a neko server."""


class BadRecording(ClientError):
    """The file holds no sound that can be read."""


class Unreachable(ClientError):
    """Nobody answers at the URL, or not with a WebSocket."""


class Unauthorized(ClientError):
    """The server wants a token, or another one."""


class ServerBusy(ClientError):
    """The server has as many connections as it takes."""


class ServerDraining(ClientError):
    """The server is starting or shutting down."""


class TakenOver(ClientError):
    """Another client talks to the character now."""


class UnknownCharacter(ClientError):
    """The server has no such character; `offered` is the first that it has, when it said so."""

    def __init__(self, offered: str | None) -> None:
        hint = f"; it has {offered!r}" if offered else ""
        super().__init__(f"the server does not know this character{hint}")
        self.offered = offered


class ConnectionLost(ClientError):
    """The socket closed with a code that has no type of its own; 1006 when it just broke."""

    def __init__(self, code: int, reason: str | None) -> None:
        super().__init__(f"the connection to the server was lost (close code {code}{f', {reason}' if reason else ''})")
        self.code = code
        self.reason = reason


class _Refused(ClientError):
    """A status frame said no."""

    def __init__(self, code: StatusCode, details: str) -> None:
        super().__init__(f"{details} ({code})")
        self.code = code
        self.details = details


class StartRefused(_Refused):
    """`start_session` was answered with `session_failed`."""


class TurnRefused(_Refused):
    """What the person said cannot be answered, and no reply will come."""


class SessionEnded(ClientError):
    """The server ended the session before the reply was complete."""


# Section 4 of the protocol, close codes of our own; UnknownCharacter is not here because it carries a name.
_CLOSED: dict[int, tuple[type[ClientError], str]] = {
    1012: (ServerDraining, "the server is shutting down"),
    1013: (ServerBusy, "the server has no room for another connection"),
    4001: (TakenOver, "another client talks to this character now"),
    4401: (Unauthorized, "the server wants another token"),
}
UNKNOWN_CHARACTER = 4004

_REJECTED: dict[int, tuple[type[ClientError], str]] = {
    401: (Unauthorized, "the server wants a token, or another one"),
    403: (Unauthorized, "the server refuses this client"),
    503: (ServerDraining, "the server is starting, full or shutting down"),
}


def closed(code: int, reason: str | None, offered: str | None) -> ClientError:
    """The error that a close code stands for."""
    if code == UNKNOWN_CHARACTER:
        return UnknownCharacter(offered)
    if code in _CLOSED:
        kind, sentence = _CLOSED[code]
        return kind(sentence)
    return ConnectionLost(code, reason)


def rejected(http_status: int) -> ClientError:
    """The error that an HTTP answer in place of a WebSocket stands for."""
    kind, sentence = _REJECTED.get(http_status, (Unreachable, f"the server answers with HTTP {http_status}"))
    return kind(sentence)
