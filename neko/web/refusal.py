"""An answer given at the door, without an application behind it."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus

import h11
import orjson
import trio
from attrs import frozen

from neko.protocol.errors import StatusCode

BUSY = "all places are taken; try again soon"


class ErrorCode(StrEnum):
    """The `code` of an HTTP error that is not a status code of the character protocol too."""

    BAD_REQUEST = "BAD_REQUEST"
    HEAD_TOO_SLOW = "HEAD_TOO_SLOW"
    BODY_TOO_SLOW = "BODY_TOO_SLOW"
    FOREIGN_ORIGIN = "FOREIGN_ORIGIN"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    UNKNOWN_CHARACTER = "UNKNOWN_CHARACTER"
    UNKNOWN_MODEL = "UNKNOWN_MODEL"
    UNKNOWN_ROUTE = "UNKNOWN_ROUTE"
    NEEDS_WEBSOCKET = "NEEDS_WEBSOCKET"
    NEEDS_NEW_CONNECTION = "NEEDS_NEW_CONNECTION"


@frozen
class Refusal:
    """Why not, as the HTTP status, a code for programs and one sentence for people."""

    status: HTTPStatus
    code: StrEnum
    details: str
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def body(self) -> bytes:
        return orjson.dumps({"error": {"code": self.code, "details": self.details}})


class Refused(Exception):
    """This request goes no further. Whoever owns the connection gives the answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.code}: {refusal.details}")
        self.refusal = refusal


def refuse(status: HTTPStatus, code: StrEnum, details: str) -> Refused:
    return Refused(Refusal(status, code, details))


def busy() -> Refused:
    return refuse(HTTPStatus.SERVICE_UNAVAILABLE, StatusCode.SERVER_BUSY, BUSY)


def written(refusal: Refusal) -> bytes:
    """The whole HTTP/1.1 response; it announces that the connection closes."""
    writer = h11.Connection(h11.SERVER)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(refusal.body)).encode()),
        (b"connection", b"close"),
        *refusal.headers,
    ]
    events = (
        h11.Response(status_code=refusal.status, headers=headers, reason=refusal.status.phrase.encode()),
        h11.Data(data=refusal.body),
        h11.EndOfMessage(),
    )
    return b"".join(writer.send(event) or b"" for event in events)


async def linger(stream: trio.abc.HalfCloseableStream) -> None:
    """Half-closes, then reads away what the client still sends; until it closes or the caller's deadline.

    Closing over unread bytes makes the kernel reset the connection, and a reset overtakes the answer just given.
    """
    try:
        await stream.send_eof()
        while await stream.receive_some():
            pass
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return
