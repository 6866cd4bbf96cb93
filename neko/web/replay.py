"""A stream whose first bytes were read already, to find out who should serve it."""

from __future__ import annotations

from collections import deque

import trio

from neko.sockets.lean import LeanStream

READ_WITHIN = 10.0  # s for one piece of an answer, at most 1 MiB of history: a poor phone line does it in eight


class Replayed(trio.abc.HalfCloseableStream):
    """Gives the chunks that were read, then what the stream gives. Owns the stream: closing it closes both.

    Hypercorn looks at `.socket` for the addresses of both ends.
    """

    def __init__(self, stream: trio.SocketStream | LeanStream, *seen: bytes) -> None:
        self.socket = stream.socket
        self.inner = stream
        self._seen = deque(chunk for chunk in seen if chunk)

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if not self._seen:
            return await self.inner.receive_some(max_bytes)
        await trio.lowlevel.checkpoint()
        chunk = self._seen.popleft()
        if max_bytes is not None and len(chunk) > max_bytes:
            self._seen.appendleft(chunk[max_bytes:])
        return chunk[:max_bytes]

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.inner.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self.inner.send_eof()

    async def aclose(self) -> None:
        await self.inner.aclose()


class AnsweredFirst(Replayed):
    """Gives the first chunk, and nothing more until it has been answered.

    A client may send its first frames together with its WebSocket handshake. wsproto 1.3 takes bytes that come
    before the handshake is accepted for HTTP and loses them.
    """

    def __init__(self, stream: trio.SocketStream | LeanStream, head: bytes, rest: bytes) -> None:
        super().__init__(stream, rest)
        self._head: bytes | None = head
        self._answered = trio.Event()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self._head is not None:
            await trio.lowlevel.checkpoint()
            head, self._head = self._head, None
            return head
        await self._answered.wait()
        if not self._seen:
            # All that was read before has been given: from the next call on nothing stands between.
            self.receive_some = self.inner.receive_some  # type: ignore[method-assign]
            self.send_all = self.inner.send_all  # type: ignore[method-assign]
        return await super().receive_some(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.inner.send_all(data)
        self._answered.set()


class ReadInTime(Replayed):
    """Breaks when the client does not read what it asked for.

    Hypercorn shields its sends from cancellation, so that without a bound one idle reader keeps the house from closing.
    """

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        with trio.move_on_after(READ_WITHIN) as waiting:
            await super().send_all(data)
        if waiting.cancelled_caught:
            raise trio.BrokenResourceError("the client does not read its answer")
