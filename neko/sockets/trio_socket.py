"""A socket of trio-websocket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from trio_websocket import ConnectionClosed, WebSocketConnection

from neko.sockets.lean import LeanStream
from neko.sockets.socket import SocketClosed


class TrioSocket:
    """`Socket`, over a connection that somebody else has opened. On a lean stream several frames leave in one piece."""

    def __init__(self, connection: WebSocketConnection, stream: object = None) -> None:
        self._connection = connection
        self._stream = stream if isinstance(stream, LeanStream) else None

    async def send(self, *frames: str | bytes) -> None:
        *before, last = frames
        with _plainly():
            for frame in before:
                with self._holding():
                    await self._connection.send_message(frame)
            await self._connection.send_message(last)

    async def receive(self) -> str | bytes:
        try:
            message: str | bytes = await self._connection.get_message()
        except ConnectionClosed as closed:
            raise _closed(closed) from None
        return message

    async def ping(self) -> None:
        with _plainly():
            await self._connection.ping()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await self._connection.aclose(code, reason or None)

    def _holding(self) -> AbstractContextManager[None]:
        return self._stream.holding() if self._stream else nullcontext()


@contextmanager
def _plainly() -> Iterator[None]:
    try:
        yield
    except ConnectionClosed as closed:
        raise _closed(closed) from None


def _closed(closed: ConnectionClosed) -> SocketClosed:
    if closed.reason is None:
        return SocketClosed()
    return SocketClosed(int(closed.reason.code), closed.reason.reason or "")
