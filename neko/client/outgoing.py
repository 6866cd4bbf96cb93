"""What a client says, in order, kept until the server has it."""

from __future__ import annotations

from collections import deque

import trio

from neko.protocol.client import Ping
from neko.protocol.codec import write_client

BACKLOG = 64  # messages that wait for the line; then whoever sends waits too. Nothing of them is dropped
MIC_BACKLOG = 480_000  # bytes of sound that waits, 5 s at 48 kHz; older sound is worthless, the oldest goes first
KEPT = 1_024  # frames that left and may not have arrived; a server that answers pings leaves a twentieth of them here
ASK_EVERY = (
    32  # frames, 0.6 s of a microphone: so much is kept for nothing, and a ping and its pong are two small frames
)
PING = write_client(Ping())

Frame = str | bytes
"""bytes are the microphone's."""


class Outgoing:
    """Any task puts, one takes. Numbers count the frames that left, as the server counts those that it read."""

    def __init__(self) -> None:
        self._waiting = deque[Frame]()
        self._sent = deque[Frame](maxlen=KEPT)
        self._count = 0  # the number of the last of these
        self._asked = 0  # the number of the last ping
        self._news = trio.Event()
        self._over = False

    async def put(self, frame: Frame) -> None:
        """Waits while too much waits already, unless nobody takes anything any more; sound never does."""
        while isinstance(frame, str) and len(self._waiting) >= BACKLOG and not self._over:
            await self._news.wait()
        self._waiting.append(frame)
        self._drop_old_sound()
        self._wake()

    def put_first(self, *frames: Frame) -> None:
        self._waiting.extendleft(reversed(frames))
        self._wake()

    async def take(self) -> Frame:
        """The next frame to leave; it counts as sent."""
        while not self._waiting:
            await self._news.wait()
        frame = PING if self._count - self._asked >= ASK_EVERY else self._waiting.popleft()
        self._count += 1
        self._asked = self._count if frame is PING else self._asked
        self._sent.append(frame)
        self._wake()
        return frame

    async def empty(self) -> None:
        """Returns when nothing waits, or nobody takes it any more."""
        while self._waiting and not self._over:
            await self._news.wait()

    def end(self) -> None:
        """Nobody takes anything any more."""
        self._over = True
        self._wake()

    def arrived(self, received: int) -> None:
        """The server has read everything up to this number."""
        while self._sent and self._count - len(self._sent) < received:
            self._sent.popleft()

    def back_to(self, received: int) -> None:
        """What left after this number has not arrived: it waits again, before the rest."""
        self.arrived(received)
        self._waiting.extendleft(reversed(self._sent))
        self._begin_at(received)
        self._drop_old_sound()

    def forget(self) -> None:
        """Nobody will tell what has arrived: numbers begin anew."""
        self._begin_at(0)

    def _begin_at(self, number: int) -> None:
        self._sent.clear()
        self._count = self._asked = number
        self._wake()

    def _drop_old_sound(self) -> None:
        excess = sum(len(frame) for frame in self._waiting if isinstance(frame, bytes)) - MIC_BACKLOG
        if excess <= 0:
            return
        kept = deque[Frame]()
        for frame in self._waiting:
            if isinstance(frame, bytes) and excess > 0:
                excess -= len(frame)
            else:
                kept.append(frame)
        self._waiting = kept

    def _wake(self) -> None:
        self._news.set()
        self._news = trio.Event()
