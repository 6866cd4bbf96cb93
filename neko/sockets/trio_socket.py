"""A socket of trio-websocket."""

from __future__ import annotations

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from neko.sockets.lean import Prompt
from neko.sockets.lean_connection import LeanConnection
from neko.sockets.socket import SocketClosed, Taken, nobody_takes

ABNORMAL = 1006  # RFC 6455, section 7.1.5: nobody said goodbye


class TrioSocket:
    """`Socket`, over a connection that somebody else has opened.

    With `line`, the stream beneath, what can be sent at once is, several frames in one piece.
    """

    def __init__(self, connection: WebSocketConnection, line: Prompt | None = None) -> None:
        self._connection = connection
        self._lean = connection if isinstance(connection, LeanConnection) else None
        self._line = line

    async def send(self, *frames: str | bytes) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            if self._lean is not None and await self._lean.send_rest():
                return
            if self.send_now(*frames) or (self._lean is not None and await self._lean.send_rest()):
                return
            for frame in frames:
                await self._connection.send_message(frame)
        except ConnectionClosed as closed:
            raise closed_as(closed) from None

    def send_now(self, *frames: str | bytes) -> bool:
        return self._line is not None and self._lean is not None and self._lean.send_now(frames, self._line)

    async def receive(self, taken: Taken = nobody_takes) -> str | bytes:
        try:
            if self._lean is not None:
                return await self._lean.get_message(taken)
            message: str | bytes = await self._connection.get_message()
        except ConnectionClosed as closed:
            raise closed_as(closed) from None
        return message

    async def ping(self) -> None:
        try:
            await self._connection.ping()
        except ConnectionClosed as closed:
            raise closed_as(closed) from None

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await self._connection.aclose(code, reason or None)


def closed_as(closed: ConnectionClosed) -> SocketClosed:
    """The library's word for it in ours."""
    if closed.reason is None or int(closed.reason.code) == ABNORMAL:
        return SocketClosed()
    return SocketClosed(int(closed.reason.code), closed.reason.reason or "")
