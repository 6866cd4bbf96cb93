"""One connection's place at an outbox."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

import trio
from attrs import define, field

from neko.nurseries.guest import Guest
from neko.nurseries.outbox import Goodbye, Outbox
from neko.nurseries.replay import size
from neko.protocol.server import AudioChunk, Pong, ServerMessage, TurnEnd

# Between two questions whether it arrives: a quarter of a second of speech. Each costs two small frames; what was not
# asked about is kept for each client that listens.
PING_BYTES = 24 * 1024

Leaves = Callable[[int, ServerMessage], bool]
"""Sends a message under its number, at once; False when it does not manage to."""


def nothing_leaves(_: int, __: ServerMessage) -> bool:
    return False


@define(eq=False)
class Farewell:
    """What a connection that lost its place is still told before it closes."""

    message: ServerMessage
    code: int


@define(eq=False)
class Subscription:
    """One connection's place at an outbox: what it missed, then what comes. It waits until it is begun."""

    outbox: Outbox
    guest: Guest
    last_words: Farewell | Goodbye | None = None
    gone: trio.Event = field(factory=trio.Event)  # its connection is over
    _leaving: tuple[Outbox, int] | None = None  # the message that was received last
    _left: tuple[Outbox, int] | None = None  # the last one that is on the line, with all before it
    _worth_a_ping: trio.Event = field(factory=trio.Event)
    _left_bytes: int = 0  # since the last ping
    _missed: deque[tuple[int, ServerMessage]] = field(factory=deque)
    _halfway: tuple[int, ServerMessage] | None = None  # what `leaves` could not finish; received before all else
    begun: bool = False
    _closed: bool = False

    def begin(self, after: int | None) -> bool:
        """Lets it run, from after that number or from now, the first time it is called.

        False, and nothing begins, when it runs already and has a number to begin at, or when what was missed is not
        known any more.
        """
        if self.begun:
            return after is None
        missed = deque() if after is None else self.outbox.left.missed(after)
        if missed is None:
            return False
        self._missed = missed
        self.begun = True
        self.outbox.wake()
        return True

    def join(self, outbox: Outbox) -> None:
        """From now on this is where its messages come from; what waits for it, if it has begun, goes along."""
        if outbox is self.outbox:
            return
        left, self.outbox = self.outbox, outbox
        if self.begun:
            self._missed.extend(left.rest())
        left.wake()

    def first(self, pong: Pong) -> None:
        """Before all that was missed; it has no number."""
        self._missed.appendleft((0, pong))

    def sound_to_come(self) -> Iterator[AudioChunk]:
        """What its client has not been sent yet, or is sent again."""
        waiting = (message for _, message in self._missed), self.outbox.waiting()
        return (each for each in chain(*waiting) if isinstance(each, AudioChunk))

    async def send(self, message: ServerMessage) -> None:
        """For its client, as `Outbox.send`; waits no longer than somebody may read it."""
        while self.outbox.full and not self._closed:
            await self.outbox.change()
        self.outbox.post(message)
        await trio.lowlevel.checkpoint()

    async def receive(self, leaves: Leaves = nothing_leaves) -> tuple[int, ServerMessage] | None:
        """The next message and its number; None when this connection is to say its last words.

        What is posted while this waits is shown to `leaves` first, by whoever posts it: that saves a turn of the event
        loop. What it does not finish is the next to be received.
        """
        while self._halfway is not None or not self._closed:
            if self._halfway is not None:
                entry, self._halfway = self._halfway, None
                return entry
            if self.begun and self._missed:
                await trio.lowlevel.checkpoint()  # there may be thousands, and a fast line takes them at once
                seq, missed = self._missed.popleft()
                self._leaving = self.outbox, seq
                return seq, missed
            message = self.outbox.take() if self.begun else None
            if isinstance(message, Goodbye):
                self.last_words = message
                return None
            if message is not None:
                # No checkpoint since it was taken: what is numbered is sent, or known to be missing.
                seq = self.outbox.number(message)
                self._leaving = self.outbox, seq
                return seq, message
            await (self.outbox.next(partial(self._show, self.outbox, leaves)) if self.begun else self.outbox.change())
        return None

    def _show(self, outbox: Outbox, leaves: Leaves, message: ServerMessage | Goodbye) -> bool:
        """It is numbered and on its way; or it has to wait for its turn."""
        if isinstance(message, Goodbye | TurnEnd):
            return False
        if self._closed or outbox is not self.outbox or self._missed or self._halfway is not None:
            return False
        seq = outbox.number(message)
        self._leaving = outbox, seq
        if not leaves(seq, message):
            self._halfway = seq, message
            self.outbox.wake()
        return True

    def sent(self, message: ServerMessage) -> None:
        """The one that was received last is on the line."""
        self._left = self._leaving
        self._left_bytes += size(message)
        if self._left_bytes >= PING_BYTES:
            self._worth_a_ping.set()

    async def much_left(self) -> None:
        """Returns when so much is on its way that the client should be asked whether it arrives."""
        await self._worth_a_ping.wait()

    def asking(self) -> Callable[[], None]:
        """The client is asked now; to be called when it has answered."""
        self._left_bytes = 0
        self._worth_a_ping = trio.Event()
        if self._left is None:
            return lambda: None
        outbox, seq = self._left
        return partial(outbox.left.arrived, seq)

    def close(self, farewell: Farewell | None = None) -> None:
        """Ends the place: its connection says `farewell` and closes."""
        if not self._closed:
            self.last_words = farewell
            self._closed = True
            self.outbox.wake()

    @property
    def next_seq(self) -> int:
        """For a last word that is not part of the stream."""
        return self.outbox.left.next_seq
