"""One accepted connection: it tells when the peer has left, and can be cut or go dead on request."""

from __future__ import annotations

import struct
from socket import SO_LINGER, SOL_SOCKET
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from neko.testing.streams import End

_RESET_AT_ONCE = struct.pack("ii", 1, 0)  # l_onoff, l_linger: closing answers with RST instead of FIN


def reset_on_close(stream: trio.SocketStream) -> None:
    """From now on closing resets the connection instead of ending it."""
    stream.socket.setsockopt(SOL_SOCKET, SO_LINGER, _RESET_AT_ONCE)


def _break_off(stream: trio.SocketStream | End) -> None:
    if isinstance(stream, trio.SocketStream):
        reset_on_close(stream)
        stream.socket.close()
    else:
        # The nearest to a reset that there is in memory: the peer reads an end that no close frame announced.
        stream.send_stream.close()
        stream.receive_stream.close()


class Wire(trio.abc.Stream):
    """A stream that somebody keeps reading from.

    `on_end` is called, once, when it is over: as soon as the peer's end or reset has been read, or we closed it.
    """

    def __init__(self, stream: trio.SocketStream | End, on_end: Callable[[], None]) -> None:
        self._stream = stream
        self._on_end = on_end
        self._deaf = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._receive(max_bytes)
        while self._deaf and data:
            data = await self._receive(max_bytes)
        return data

    async def _receive(self, max_bytes: int | None) -> bytes | bytearray:
        try:
            data = await self._stream.receive_some(max_bytes)
        except trio.BrokenResourceError:
            self._ended()
            raise
        if not data:
            self._ended()
        return data

    def _ended(self) -> None:
        call, self._on_end = self._on_end, lambda: None
        call()

    async def aclose(self) -> None:
        self._ended()
        await self._stream.aclose()

    def go_deaf(self) -> None:
        """From now on nothing that arrives is passed on, so that no ping is answered; the end still is."""
        self._deaf = True

    def cut(self) -> None:
        """Resets the connection in the middle of whatever it was doing."""
        self._ended()
        _break_off(self._stream)
