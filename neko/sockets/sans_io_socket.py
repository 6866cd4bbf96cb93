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

from neko.sockets.lean import prompt
from neko.sockets.socket import Rejected, SocketClosed, Taken, nobody_takes

BUFFER = 16 * 1024  # bytes; a burst of frames in one wake-up, and no more than what others can wait for
QUEUE = 64  # messages that wait for whoever receives, while somebody else reads on for a pong; 2.5 s of deltas


class SansIoSocket:
    """`Socket`, over a stream and a protocol that has shaken hands. The stream is its owner's to close.

    Whoever waits for something reads, one task at a time, and the others wait for what it brings. In the same way one
    task writes, all that is queued, and the others wait until theirs has left.
    """

    def __init__(self, protocol: Protocol, stream: trio.abc.Stream, seen: Iterable[object] = ()) -> None:
        self._protocol = protocol
        self._stream = stream
        self._line = prompt(stream)
        self._messages: deque[str | bytes] = deque()
        self._fragments: list[bytes] = []
        self._text = True  # what the fragments are of
        self._unanswered: list[bytes] = []  # pings, oldest first
        self._names = count(1)
        self._over = False  # nothing more comes
        self._broken = False  # nothing more goes: the line is cut, or half a frame has left
        self._rest = b""  # of frames that have left in part
        self._begun = False  # they are to be sent again by `send`
        self._left = False  # we have said goodbye: nobody receives any more
        self._reading = self._sending = False
        self._readers = trio.lowlevel.ParkingLot()
        self._senders = trio.lowlevel.ParkingLot()
        self._take_events(seen)

    async def send(self, *frames: str | bytes) -> None:
        if not self._begun:
            with self._open():
                self._write(frames)
        self._begun = False
        await self.flush()
        if self._over or self._broken:
            raise self._closed()

    def send_now(self, *frames: str | bytes) -> bool:
        if self._line is None or self._sending or self._broken or self._rest:
            return False
        try:
            self._write(frames)
        except InvalidState:
            return False
        data = b"".join(self._protocol.data_to_send())
        self._rest = data[self._line.send_now(data) :]
        self._begun = bool(self._rest)
        return not self._begun

    def _write(self, frames: Iterable[str | bytes]) -> None:
        for frame in frames:
            if isinstance(frame, str):
                self._protocol.send_text(frame.encode())
            else:
                self._protocol.send_binary(frame)

    async def receive(self, taken: Taken = nobody_takes) -> str | bytes:  # noqa: ARG002  # whoever receives reads
        if self._messages:
            await trio.lowlevel.checkpoint_if_cancelled()
        while not self._messages:
            if self._over:
                raise self._closed()
            await self._read_on()
        if len(self._messages) == QUEUE:
            self._readers.unpark_all()
        return self._messages.popleft()

    async def ping(self) -> None:
        name = str(next(self._names)).encode()
        with self._open():
            self._protocol.send_ping(name)
        self._unanswered.append(name)
        await self.flush()
        while name in self._unanswered:
            if self._over or self._broken:
                raise self._closed()
            await self._read_on()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        self._left = True
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
            await self.flush()
        while not self._over:
            await self._read_on()

    async def _read_on(self) -> None:
        """Reads once, or waits until whoever reads has; nobody reads while too much waits to be received."""
        if self._reading or len(self._messages) >= QUEUE:
            await self._readers.park()
        else:
            await self.pump()

    async def pump(self) -> None:
        """Reads once, and answers what has to be answered. A cancel loses nothing, but in the middle of an answer that
        the line does not take: half of one ends the socket."""
        self._reading = True
        try:
            data = await self._stream.receive_some(BUFFER)
            # No checkpoint until the protocol has it.
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        finally:
            self._reading = False
            self._readers.unpark_all()
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        self._take_events(self._protocol.events_received())
        if not self._sending and not self._begun:  # whoever is sending, or has begun to, sends this as well
            await self.flush()

    async def flush(self) -> None:
        """Returns when all that is queued has left, or never will."""
        while self._sending:
            await self._senders.park()
        self._sending = True
        try:
            while not self._broken and (data := b"".join([self._rest, *self._protocol.data_to_send()])):
                self._rest = b""
                await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._broken = True  # whoever reads learns how it ended
        except trio.Cancelled:
            self._broken = True
            raise
        finally:
            self._sending = False
            self._senders.unpark_all()

    def _take_events(self, events: Iterable[object]) -> None:
        for event in events:
            if isinstance(event, Frame):
                self._take(event)
        protocol = self._protocol
        if protocol.close_rcvd is not None or protocol.parser_exc is not None or protocol.state is State.CLOSED:
            self._over = True

    def _take(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.PONG:
                self._answered(bytes(frame.data))
            case opcode if opcode in DATA_OPCODES:
                self._take_data(frame)

    def _answered(self, name: bytes) -> None:
        """Of several pings the latest may be answered alone (RFC 6455, section 5.5.3)."""
        if name in self._unanswered:
            del self._unanswered[: self._unanswered.index(name) + 1]

    def _take_data(self, frame: Frame) -> None:
        if self._left:
            return
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
            self._over = True

    @contextmanager
    def _open(self) -> Iterator[None]:
        try:
            if self._broken:
                raise self._closed()
            yield
        except InvalidState:
            raise self._closed() from None

    def _closed(self) -> SocketClosed:
        said = self._protocol.close_rcvd
        return SocketClosed(said.code, said.reason) if said is not None else SocketClosed()


async def accept(
    stream: trio.abc.HalfCloseableStream, seen: bytes, *, max_bytes: int, subprotocol: Subprotocol | None = None
) -> SansIoSocket:
    """The server's end, for an upgrade request that was read (`seen`, with what came behind it) and found right.

    Raises:
        Rejected: not by this library, which takes no header above 8 KiB.
        SocketClosed: nor that one, and it has said so.
    """
    protocol = ServerProtocol(subprotocols=[subprotocol] if subprotocol else None, max_size=max_bytes)
    protocol.receive_data(seen)
    request, *frames = [*protocol.events_received(), None]
    if not isinstance(request, Request):
        raise Rejected(400, str(protocol.handshake_exc or protocol.parser_exc).encode())
    protocol.send_response(protocol.accept(request))
    socket = SansIoSocket(protocol, stream, frames)
    await socket.flush()
    if protocol.state is State.CONNECTING or protocol.handshake_exc is not None:
        raise SocketClosed()
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
            raise Rejected(response.status_code, bytes(response.body or b""), [*response.headers.raw_items()])
        case _:
            raise SocketClosed()
