"""The head of the first request on a connection: who is to serve it is decided by reading no more than this."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import h11
from attrs import field, frozen
from starlette.datastructures import Headers, QueryParams

from neko.web.refusal import ErrorCode, refuse

if TYPE_CHECKING:
    import trio

MAX_HEAD = 16 * 1024  # bytes; what h11, wsproto and Hypercorn take too. Browsers stay below 8 KiB.


@frozen
class Head:
    """`path` is still percent-encoded, all of it: what was sent as plain UTF-8, as `curl` does, is encoded here.

    `rest` is what came behind the head in the same bytes.
    """

    method: str
    path: str
    query: QueryParams = field(repr=False)  # may carry the token
    headers: Headers = field(repr=False)
    raw: bytes = field(repr=False)
    rest: bytes = field(repr=False)

    @property
    def wants_websocket(self) -> bool:
        tokens = self.headers.get("connection", "").lower().split(",")
        upgrades = self.headers.get("upgrade", "").lower() == "websocket"
        return upgrades and any(token.strip() == "upgrade" for token in tokens)


async def read_head(stream: trio.abc.ReceiveStream) -> Head | None:
    """The first head on the stream; None when the client leaves without a word. Cancel it to stop waiting.

    Raises:
        Refused: not HTTP, or too long.
    """
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
    seen, in_line = b"", True
    try:
        while (event := parser.next_event()) is h11.NEED_DATA:
            # One byte more than h11 keeps, so that it is h11 who finds a head too long.
            data = bytes(await stream.receive_some(MAX_HEAD + 1 - len(seen)))
            if in_line:
                line, end, others = data.partition(b"\n")
                data, in_line = _encoded(line) + end + others, not end
            seen += data
            parser.receive_data(data)
    except h11.RemoteProtocolError as error:
        status = HTTPStatus(error.error_status_hint)
        raise refuse(status, ErrorCode.BAD_REQUEST, f"this port speaks plain HTTP and WebSocket: {error}") from None
    if not isinstance(event, h11.Request):
        return None
    rest, _ = parser.trailing_data
    path, _, query = event.target.decode("ascii").partition("?")
    return Head(
        method=event.method.decode("ascii"),
        path=path,
        query=QueryParams(query),
        headers=Headers(raw=list(event.headers)),
        raw=seen.removesuffix(rest),
        rest=rest,
    )


def _encoded(line: bytes) -> bytes:
    """With percent signs, where there are bytes that no request line may have."""
    return line if line.isascii() else b"".join(b"%%%02X" % byte if byte > 0x7F else bytes([byte]) for byte in line)
