"""A connection of trio-websocket with three of its parts exchanged: a message takes fewer turns of the event loop."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest
from wsproto import ConnectionType
from wsproto.connection import ConnectionState
from wsproto.events import Ping

from neko.sockets.lean import Prompt
from neko.sockets.lean_protocol import LeanProtocol
from neko.sockets.quick import QuickLock, QuickReceiver, QuickSender
from neko.sockets.socket import Taken, nobody_takes


class LeanConnection(WebSocketConnection):
    """The library's, but for its protocol, its lock and its channel.

    Its own lock and channel are Trio's, which give way to other tasks with each message whether anybody waits or not:
    one turn of the event loop for each message that leaves, and two for each that comes. Messages of up to 64 KiB are
    taken whatever `max_message_size` is.
    """

    def __init__(
        self, stream: trio.abc.Stream, kind: ConnectionType, *, message_queue_size: int, **options: Any
    ) -> None:
        self._messages = QuickReceiver[str | bytes](message_queue_size)
        # No method of this object: nothing that refers to itself waits for the garbage collector when it is over.
        self._protocol = LeanProtocol(kind, self._messages.hand)
        super().__init__(stream, self._protocol, message_queue_size=message_queue_size, **options)
        self._recv_channel = self._messages  # type: ignore[assignment]
        self._send_channel = QuickSender(self._messages)  # type: ignore[assignment]
        self._stream_lock: QuickLock = QuickLock()  # type: ignore[assignment]
        self._rest = b""  # of frames that have left in part

    async def _handle_ping_event(self, event: Ping) -> None:
        """Nothing may follow our close frame (RFC 6455, section 5.5.1); the library would try, and raise a bug."""
        if self._wsproto.state in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
            await super()._handle_ping_event(event)

    def send_now(self, frames: Sequence[str | bytes], line: Prompt) -> bool:
        """As `Socket.send_now`; `line` is the stream beneath. After half a message nobody else sends."""
        if self._stream_lock.held or self.closed or self._wsproto.state is not ConnectionState.OPEN:
            return False
        data = b"".join(map(self._protocol.written, frames))
        sent = line.send_now(data)
        if 0 < sent < len(data):
            self._rest = data[sent:]
            self._stream_lock.seize()
        return sent == len(data)

    async def send_rest(self) -> bool:
        """What is left of what `send_now` has begun to send; False when nothing is. Raises `ConnectionClosed`."""
        if not self._rest:
            return False
        rest, self._rest = self._rest, b""
        try:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._stream.send_all(rest)
                return True
        finally:
            self._stream_lock.release()
        await self._abort_web_socket()
        raise ConnectionClosed(self._close_reason)

    async def get_message(self, taken: Taken = nobody_takes) -> str | bytes:
        """As `Socket.receive`, but raises `ConnectionClosed`."""
        try:
            return await self._messages.receive(taken)
        except (trio.ClosedResourceError, trio.EndOfChannel):
            raise ConnectionClosed(self._close_reason) from None


async def lean_client(nursery: trio.Nursery, stream: trio.abc.Stream, **options: Any) -> LeanConnection:
    """A connection that has shaken hands, as `trio_websocket.wrap_client_stream` makes it.

    `options` are those of `WebSocketConnection`.
    """
    connection = LeanConnection(stream, ConnectionType.CLIENT, **options)
    nursery.start_soon(connection._reader_task)
    await connection._open_handshake.wait()
    return connection


async def lean_request(nursery: trio.Nursery, stream: trio.abc.Stream, **options: Any) -> WebSocketRequest:
    """A client's wish for a connection, as `trio_websocket.wrap_server_stream` gives it.

    `options` are those of `WebSocketConnection`.
    """
    connection = LeanConnection(stream, ConnectionType.SERVER, **options)
    nursery.start_soon(connection._reader_task)
    return await connection._get_request()
