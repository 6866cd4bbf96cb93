"""One direction of a proxied connection: reads ahead a little, and passes on as the faults of the moment allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from neko.testing.bell import Bell
    from neko.testing.faults import Way

GARBAGE = b"\xff" * 16  # as the begin of a WebSocket frame: reserved bits and a reserved opcode, which no peer accepts
PIECE = 16 * 1024  # bytes read at once
BACKLOG = 256  # pieces on their way: 2.5 s of delay at a frame every 10 ms; then the sender is held back
SLICE_S = 0.02  # a slow reader takes what this time is worth, then waits


@frozen
class _Piece:
    """No data: the sender's end."""

    due: float
    data: bytes = field(repr=lambda data: f"<{len(data)} bytes>")


class Pipe:
    """`way()` tells the faults of the moment, whose change rings the bell; `passed(n)` is told of n bytes passed on."""

    def __init__(self, way: Callable[[], Way], bell: Bell, passed: Callable[[int], None]) -> None:
        self._way = way
        self._bell = bell
        self._passed = passed
        self._size = 0  # of what was passed on
        self._spoilt = False

    async def run(self, source: trio.SocketStream, sink: trio.SocketStream) -> None:
        """Until the sender's end has been passed on. Raises BrokenResourceError when either side is reset."""
        into, pieces = trio.open_memory_channel[_Piece](BACKLOG)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._pass_on, pieces, sink)
            async with into, trio.open_nursery() as reading:
                reading.start_soon(self._half_close, into)
                await self._read(source, into)
                reading.cancel_scope.cancel()

    async def _read(self, source: trio.SocketStream, into: trio.MemorySendChannel[_Piece]) -> None:
        while True:
            await self._unless_stalled()
            rate = self._way().bytes_per_s
            data = bytes(await source.receive_some(PIECE if rate is None else max(1, int(rate * SLICE_S))))
            await into.send(_Piece(trio.current_time() + self._way().delay_s, data))
            if not data:
                return
            if rate is not None:
                await trio.sleep(len(data) / rate)

    async def _half_close(self, into: trio.MemorySendChannel[_Piece]) -> None:
        await self._bell.until(lambda: self._way().half_closed)
        await into.send(_Piece(trio.current_time(), b""))

    async def _pass_on(self, pieces: trio.MemoryReceiveChannel[_Piece], sink: trio.SocketStream) -> None:
        ended = False
        async for piece in pieces:
            await trio.sleep_until(piece.due)
            await self._unless_stalled()
            if ended:
                continue
            if piece.data:
                await self._send(piece.data, sink)
            else:
                ended = True
                await sink.send_eof()

    async def _send(self, data: bytes, sink: trio.SocketStream) -> None:
        limit = self._way().garbage_after
        if limit is not None and not self._spoilt and self._size >= limit:
            self._spoilt = True
            await sink.send_all(GARBAGE)
        await sink.send_all(data)
        self._size += len(data)
        self._passed(len(data))

    async def _unless_stalled(self) -> None:
        await self._bell.until(lambda: not self._way().stalled)
