"""A TCP stream for many small messages: fewer system calls and fewer turns of the event loop than Trio's own."""

from __future__ import annotations

import os
from typing import Protocol, runtime_checkable

import trio

# Bytes in one read, of all streams: nothing is awaited between the read and the copy that is handed on. A buffer for
# each read would leave holes of this size between what lives longer.
_READ = memoryview(bytearray(64 * 1024))


@runtime_checkable
class Prompt(Protocol):
    """A stream that can also be written to without waiting."""

    def send_now(self, data: bytes) -> int:
        """How many bytes of it have left; what is left of it is for `send_all`. Only while nobody sends."""
        ...


class LeanStream(trio.abc.HalfCloseableStream):
    """A view of a `trio.SocketStream`, which stays its owner's; closing closes that one.

    Two things differ. Who receives waits first and then reads, where Trio reads first, in vain, since a client's next
    frame is 20 ms away. What can be sent at once is sent without giving way to other tasks: it is a checkpoint for
    cancellation only, and whoever sends in a loop must come to another one. One task receives and one sends, as with
    any stream.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self.socket = stream.socket
        self._stream = stream

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        while True:
            await trio.lowlevel.wait_readable(self._fd())
            try:
                return bytes(_READ[: os.readv(self._fd(), (_READ[:max_bytes],))])
            except BlockingIOError:
                continue
            except OSError as error:
                raise trio.BrokenResourceError(str(error)) from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        sent = self._write(data)
        if sent < len(data):
            await self._stream.send_all(memoryview(data)[sent:])

    def send_now(self, data: bytes) -> int:
        try:
            return self._write(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return 0  # the next `send_all` learns the same

    def _write(self, data: bytes | bytearray | memoryview) -> int:
        try:
            return os.write(self._fd(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error

    def _fd(self) -> int:
        fd = self.socket.fileno()
        if fd < 0:
            raise trio.ClosedResourceError("this stream is closed")
        return fd

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()


def prompt(stream: object) -> Prompt | None:
    """The stream, if it is one."""
    return stream if isinstance(stream, Prompt) else None


def lean(stream: trio.SocketStream) -> LeanStream | trio.SocketStream:
    """The stream as a lean one, where sockets are files: not on Windows."""
    return LeanStream(stream) if os.name == "posix" else stream
