"""Two streams in memory that are each other's ends, as prompt as sockets and without a limit.

`trio.testing.memory_stream_pair` gives way to other tasks two or three times within each call, a socket once: in a play
of many frames that is half of all that Trio does.
"""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Receiving(trio.abc.ReceiveStream):
    """What the other end has passed on."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._ended = self._closed = False
        self._news: trio.Event | None = None  # while somebody reads

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if max_bytes is not None and index(max_bytes) < 1:
            raise ValueError("at least one byte")
        if self._news is not None:
            raise trio.BusyResourceError("another task is reading from this stream")
        if self._closed:
            await trio.lowlevel.checkpoint()
            raise trio.ClosedResourceError("this stream was closed")
        self._news = trio.Event()
        try:
            if self._data or self._ended:
                self._news.set()
            await self._news.wait()
        finally:
            self._news = None
        if self._closed:
            raise trio.ClosedResourceError("this stream was closed meanwhile")
        data = bytes(self._data[:max_bytes])
        del self._data[:max_bytes]
        return data

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        self._closed = True
        self._data.clear()
        self._wake()

    def take(self, data: bytes | bytearray) -> None:
        """Raises `trio.BrokenResourceError` when nobody will read it."""
        if self._closed:
            raise trio.BrokenResourceError("the other end was closed")
        self._data += data
        self._wake()

    def end(self) -> None:
        """No more will come."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._news is not None:
            self._news.set()


class Sending(trio.abc.SendStream):
    """Passes on what is sent as soon as `free()` returns, if there is one; what waits for that when it is closed still
    arrives."""

    def __init__(self, peer: Receiving) -> None:
        self.free: Callable[[], Awaitable[None]] | None = None
        self.room: Callable[[], int] | None = None  # how many bytes go without waiting; None: all, or none
        self._peer = peer
        self._waiting = bytearray()
        self._busy = self._closed = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._busy:
            raise trio.BusyResourceError("another task is writing to this stream")
        self._busy = True
        try:
            await trio.lowlevel.checkpoint()
            if self._closed:
                raise trio.ClosedResourceError("this stream was closed")
            self._waiting += data
            if self.free is not None:
                await self.free()
            self._pass_on()
        finally:
            self._busy = False

    def send_now(self, data: bytes) -> int:
        """As much of it as there is `room` for; as `neko.sockets.lean.Prompt`."""
        if self._busy or self._closed or self._waiting:
            return 0
        room = (0 if self.free else len(data)) if self.room is None else self.room()
        size = min(len(data), room)
        try:
            if size:
                self._peer.take(data[:size])
        except trio.BrokenResourceError:
            return 0
        return size

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()
        if self._closed:
            raise trio.ClosedResourceError("this stream was closed")

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            try:
                self._pass_on()
            except trio.BrokenResourceError:
                return  # nobody is there to be told
            self._peer.end()

    def _pass_on(self) -> None:
        data, self._waiting = self._waiting, bytearray()
        if data:
            self._peer.take(data)


class End(trio.abc.HalfCloseableStream):
    """One end of two; of its two streams either may be exchanged."""

    def __init__(self, send_stream: Sending, receive_stream: Receiving) -> None:
        self.send_stream = send_stream
        self.receive_stream = receive_stream

    def send_now(self, data: bytes) -> int:
        return self.send_stream.send_now(data)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.send_stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.send_stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self.send_stream.aclose()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self.receive_stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        try:
            await self.send_stream.aclose()
        finally:
            await self.receive_stream.aclose()


def stream_pair() -> tuple[End, End]:
    """Both ends; whatever is sent into one can be received from the other."""
    here, there = Receiving(), Receiving()
    return End(Sending(there), here), End(Sending(here), there)
