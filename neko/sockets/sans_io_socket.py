"""A socket of the library `websockets`: its protocol without I/O, driven by whoever receives and whoever sends.

No task stands between a stream and its reader, which saves two turns of the event loop for each message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count

import trio
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidState, InvalidStatus
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import Protocol, State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from neko.sockets.socket import Rejected, SocketClosed

BUFFER = 64 * 1024  # bytes; a burst of frames in one wake-up


class SansIoSocket:
    """`Socket`, over a stream and a protocol that has shaken hands. The stream is its owner's to close."""

    def __init__(self, protocol: Protocol, stream: trio.abc.Stream, seen: Iterable[object] = ()) -> None:
        self._protocol = protocol
        self._stream = stream
        self._messages: deque[str | bytes] = deque()
        self._fragments: list[bytes] = []
        self._text = True  # what the fragments are of
        self._pings: dict[bytes, trio.Event] = {}
        self._names = count(1)
        self._over = trio.Event()
        self._receiving = self._sending = False
        self._take_events(seen)

    async def send(self, *frames: str | bytes) -> None:
        with self._open():
            for frame in frames:
                if isinstance(frame, str):
                    self._protocol.send_text(frame.encode())
                else:
                    self._protocol.send_binary(frame)
        await self.flush()
        if self._over.is_set():
            raise self._closed()

    async def receive(self) -> str | bytes:
        if self._messages:
            await trio.lowlevel.checkpoint_if_cancelled()
        while not self._messages:
            if self._over.is_set():
                raise self._closed()
            await self.pump()
        return self._messages.popleft()

    async def ping(self) -> None:
        name, answered = str(next(self._names)).encode(), trio.Event()
        self._pings[name] = answered
        with self._open():
            self._protocol.send_ping(name)
        await self.flush()
        await answered.wait()
        if name in self._pings:
            raise self._closed()  # it was the end that answered

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
            await self.flush()
        while not self._over.is_set():
            if self._receiving:
                await self._over.wait()
            else:
                await self.pump()

    def _take_events(self, events: Iterable[object]) -> None:
        for event in events:
            if isinstance(event, Frame):
                self._take(event)
        if self._protocol.state is State.CLOSED or self._protocol.close_rcvd is not None:
            self._end()

    async def pump(self) -> None:
        """Reads once. What has to be answered is answered."""
        self._receiving = True
        try:
            data = await self._stream.receive_some(BUFFER)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        finally:
            self._receiving = False
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        self._take_events(self._protocol.events_received())
        await self.flush()

    async def flush(self) -> None:
        """Sends what waits. Who finds somebody sending leaves it to them."""
        if self._sending:
            return
        self._sending = True
        try:
            while data := b"".join(self._protocol.data_to_send()):
                await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._protocol.receive_eof()
            self._end()
        finally:
            self._sending = False

    def _take(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.PONG:
                answered = self._pings.pop(bytes(frame.data), None)
                if answered is not None:
                    answered.set()
            case opcode if opcode in DATA_OPCODES:
                self._take_data(frame)

    def _take_data(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._text = frame.opcode is Opcode.TEXT
        self._fragments.append(bytes(frame.data))
        if not frame.fin:
            return
        data = b"".join(self._fragments)
        self._fragments.clear()
        try:
            self._messages.append(data.decode() if self._text else data)
        except UnicodeDecodeError as error:
            self._protocol.fail(1007, f"{error.reason} at position {error.start}")

    def _end(self) -> None:
        self._over.set()
        for answered in self._pings.values():
            answered.set()

    @contextmanager
    def _open(self) -> Iterator[None]:
        try:
            yield
        except InvalidState:
            raise self._closed() from None

    def _closed(self) -> SocketClosed:
        said = self._protocol.close_rcvd
        return SocketClosed(said.code, said.reason) if said is not None else SocketClosed()


async def accept(
    stream: trio.abc.HalfCloseableStream, seen: bytes, *, max_bytes: int, subprotocol: Subprotocol | None = None
) -> SansIoSocket:
    """The server's end, for an upgrade request that was read (`seen`, with what came behind it) and found right."""
    protocol = ServerProtocol(subprotocols=[subprotocol] if subprotocol else None, max_size=max_bytes)
    protocol.receive_data(seen)
    request, *frames = protocol.events_received()
    assert isinstance(request, Request)  # the caller has read a whole one
    protocol.send_response(protocol.accept(request))
    socket = SansIoSocket(protocol, stream, frames)
    await socket.flush()
    return socket


async def shake_hands(stream: trio.abc.Stream, url: str, headers: Mapping[str, str], *, max_bytes: int) -> SansIoSocket:
    """The client's end, once the server has agreed.

    Raises:
        Rejected: it did not.
        SocketClosed: it hung up.
    """
    protocol = ClientProtocol(parse_uri(url), max_size=max_bytes)
    request = protocol.connect()
    request.headers.update(headers)
    protocol.send_request(request)
    socket = SansIoSocket(protocol, stream)
    await socket.flush()
    while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
        await socket.pump()
    match protocol.handshake_exc:
        case None:
            return socket
        case InvalidStatus(response=response):
            raise Rejected(response.status_code, bytes(response.body or b""))
        case _:
            raise SocketClosed()
