"""A socket of trio-websocket."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from trio_websocket import ConnectionClosed, WebSocketConnection

from neko.sockets.lean import LeanStream
from neko.sockets.lean_connection import LeanConnection
from neko.sockets.socket import SocketClosed, Taken, nobody_takes

ABNORMAL = 1006  # RFC 6455, section 7.1.5: nobody said goodbye


class TrioSocket:
    """`Socket`, over a connection that somebody else has opened. On a lean stream several frames leave in one piece."""

    def __init__(self, connection: WebSocketConnection, stream: object = None) -> None:
        self._connection = connection
        self._stream = stream if isinstance(stream, LeanStream) else None

    async def send(self, *frames: str | bytes) -> None:
        try:
            for frame in frames[:-1]:
                with self._holding():
                    await self._connection.send_message(frame)
            await self._connection.send_message(frames[-1])
        except ConnectionClosed as closed:
            raise closed_as(closed) from None

    async def receive(self, taken: Taken = nobody_takes) -> str | bytes:
        try:
            if isinstance(self._connection, LeanConnection):
                return await self._connection.get_message(taken)
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

    def _holding(self) -> AbstractContextManager[None]:
        return self._stream.holding() if self._stream else nullcontext()


def closed_as(closed: ConnectionClosed) -> SocketClosed:
    """The library's word for it in ours."""
    if closed.reason is None or int(closed.reason.code) == ABNORMAL:
        return SocketClosed()
    return SocketClosed(int(closed.reason.code), closed.reason.reason or "")
