"""A wire whose pongs are late, while everything else keeps its pace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from trio_websocket import ConnectionClosed

if TYPE_CHECKING:
    from trio_websocket import WebSocketConnection

_PONG = b"\x8a"  # RFC 6455, section 5.2: the last frame of its message, opcode 10
_HEADER = 2  # bytes before the payload; a server does not mask, a control frame has no longer length
MOST_AT_ONCE = 64  # pings that wait for their answer; RFC 6455 lets a server answer only the latest of several


class SlowPongs(trio.abc.Stream):
    """Between a server's WebSocket and its wire: keeps back the pongs, which `answer` sends when they are due.

    trio-websocket answers pings by itself, and sends each frame by a call of its own.
    """

    def __init__(self, inner: trio.abc.Stream, delay_s: float) -> None:
        self._inner = inner
        self._delay_s = delay_s
        self._kept, self._due = trio.open_memory_channel[tuple[float, bytes]](MOST_AT_ONCE)
        self._released: bytes | None = None

    async def answer(self, connection: WebSocketConnection) -> None:
        """Answers until the session closes, or until it is cancelled."""
        async for due, payload in self._due:
            await trio.sleep_until(due)
            self._released = payload
            try:
                await connection.pong(payload)
            except ConnectionClosed:
                return

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        payload = bytes(data[_HEADER:])
        if data[:1] != _PONG:
            await self._inner.send_all(data)
        elif payload == self._released:
            self._released = None
            await self._inner.send_all(data)
        elif self._kept.statistics().current_buffer_used < MOST_AT_ONCE:
            await self._kept.send((trio.current_time() + self._delay_s, payload))

    async def wait_send_all_might_not_block(self) -> None:
        await self._inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._inner.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._inner.aclose()
