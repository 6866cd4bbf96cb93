"""wsproto with a short way for what comes and goes all the time: messages that are one frame of moderate size."""

from __future__ import annotations

import os
from collections.abc import Generator

from websockets.frames import apply_mask  # type: ignore[attr-defined]  # in C where it could be compiled
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, Event, TextMessage

from neko.sockets.socket import Taken, nobody_takes

# RFC 6455, section 5.2
FINAL, CONTROL = 0x80, 0x08
TEXT, BINARY = FINAL | 0x1, FINAL | 0x2  # first byte of a message that is one frame
MASKED, SIZE = 0x80, 0x7F
IN_TWO_BYTES, IN_EIGHT_BYTES = 126, 127  # where the size does not fit in seven bits
KEY = 4

_OPEN = (ConnectionState.OPEN, ConnectionState.LOCAL_CLOSING)  # no set, for which Python itself would hash them
_WHOLE = {TEXT, BINARY}
_HEAD_ENDS = b"\r\n\r\n"


class LeanProtocol(WSConnection):
    """Finds the frames, reads whole messages of up to 64 KiB itself and writes all of ours. All else is wsproto's: the
    handshake, control frames, fragments, longer frames and whatever breaks a rule.

    wsproto makes dozens of calls and several copies of each message, whichever way it goes. What `taken` takes as it
    comes becomes no event.
    """

    def __init__(self, kind: ConnectionType, taken: Taken = nobody_takes) -> None:
        super().__init__(kind)
        self._taken = taken
        self._refused: str | bytes | None = None  # the next message, which was not taken
        self._head_end = b""  # the last bytes of the handshake so far, in which its end may begin
        self._held = b""  # what has come and is not read yet
        self._passing = 0  # so many bytes more are of a frame that wsproto reads
        self._in_fragments = False
        self._greeted = False
        self._asked = False  # wsproto has been given something, and may have events

    def receive_data(self, data: bytes | None) -> None:
        if not data:
            self._pass_on(data)
        elif self.connection is None:
            self._shake_hands(data)
        else:
            self._held += data
            self._hand_out()

    def _hand_out(self) -> None:
        """Up to the first message that is not taken, or to what is wsproto's."""
        while self._held and self._refused is None and not self._asked and self._is_open:
            message = self._read_frame()
            if message is None:
                return
            if not self._taken(message):
                self._refused = message

    @property
    def _is_open(self) -> bool:
        return self.connection is not None and self.connection.state in _OPEN

    def events(self) -> Generator[Event, None, None]:
        while True:
            if self._asked:
                self._asked = False
                yield from self._events()
            if self._refused is None and not (self._held and self._is_open):
                return
            message, self._refused = self._refused, None
            message = self._read_frame() if message is None else message
            if message is not None:
                yield TextMessage(message) if isinstance(message, str) else BytesMessage(message)
            elif not self._asked:
                return

    def _events(self) -> Generator[Event, None, None]:
        """wsproto's. Nothing is kept of a handshake that is over: it is as large as all the rest of a connection."""
        if self._greeted and self.connection is not None:
            yield from self.connection.events()
            return
        yield from super().events()
        if self.connection is not None:
            self._greeted = True
            del self.handshake

    def send(self, event: Event) -> bytes:
        """Of messages whole ones only, which all of ours are."""
        if self.connection is not None and self.connection.state is ConnectionState.OPEN:
            match event:
                case TextMessage(data=data) | BytesMessage(data=data):
                    return self.written(data)
        return super().send(event)

    def written(self, message: str | bytes | bytearray) -> bytes:
        """A whole message as it goes out on an open connection."""
        return self._frame(TEXT, message.encode()) if isinstance(message, str) else self._frame(BINARY, message)

    def _frame(self, first: int, payload: bytes | bytearray) -> bytes:
        size, masked = len(payload), MASKED if self.client else 0
        if size < IN_TWO_BYTES:
            head = bytes((first, masked | size))
        elif size < 1 << 16:
            head = bytes((first, masked | IN_TWO_BYTES)) + size.to_bytes(2, "big")
        else:
            head = bytes((first, masked | IN_EIGHT_BYTES)) + size.to_bytes(8, "big")
        if not masked:
            return head + payload
        key = os.urandom(KEY)
        return b"".join((head, key, apply_mask(payload, key)))

    def _pass_on(self, data: bytes | None) -> None:
        self._asked = True
        super().receive_data(data)

    def _shake_hands(self, data: bytes) -> None:
        """Behind the head come frames, or the body of a refusal."""
        before = len(self._head_end)
        seen = self._head_end + data
        end = seen.find(_HEAD_ENDS)
        self._head_end = seen[1 - len(_HEAD_ENDS) :]
        cut = len(data) if end < 0 else end + len(_HEAD_ENDS) - before
        self._pass_on(data[:cut])
        if self.connection is not None:
            self._held = data[cut:]
        elif data[cut:]:
            self._pass_on(data[cut:])

    def _read_frame(self) -> str | bytes | None:
        """A message; None when there is no whole one, or wsproto has been asked."""
        held = self._held
        if self._passing or len(held) < 2:
            self._pass_frame(self._passing)
            return None
        size, start = held[1] & SIZE, 2
        if size >= IN_TWO_BYTES:
            start = 4 if size == IN_TWO_BYTES else 10
            if len(held) < start:
                return None
            size = int.from_bytes(held[2:start], "big")
        begin = start + (KEY if held[1] & MASKED else 0)
        end = begin + size
        message = None
        if self._is_lean(held[0], size, start, masked=begin > start):
            if len(held) < end:
                return None
            payload = held[begin:end] if self.client else apply_mask(held[begin:end], held[start:begin])
            message = _message(held[0], payload)
        if message is None:
            self._pass_frame(end)
        else:
            self._held = held[end:]
        return message

    def _is_lean(self, first: int, size: int, start: int, *, masked: bool) -> bool:
        """It is a message, of moderate size, and follows the rules."""
        goes_on = self._in_fragments
        if not first & CONTROL:
            self._in_fragments = not first & FINAL
        minimal = start == 2 or (start == 4 and size >= IN_TWO_BYTES)
        return first in _WHOLE and not goes_on and minimal and masked is not self.client

    def _pass_frame(self, size: int) -> None:
        """So many bytes are wsproto's; those of them that are here, now."""
        part, self._held = self._held[:size], self._held[size:]
        self._passing = size - len(part)
        if part:
            self._pass_on(part)


def _message(first: int, payload: bytes) -> str | bytes | None:
    """None for a text that is no UTF-8."""
    if first == BINARY:
        return payload
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None
