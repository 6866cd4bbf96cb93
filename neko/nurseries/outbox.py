"""What a client is told, in order; it outlives the connections that carry it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from itertools import chain
from math import inf

import trio
from attrs import define, field, frozen

from neko.audio.ledger import Ledger, Spoken
from neko.conversation.journal import Journal
from neko.nurseries.aside import Aside
from neko.nurseries.guest import Guest
from neko.nurseries.waiting import Waiting
from neko.protocol.codec import SPEECH_HZ
from neko.protocol.server import AudioChunk, Emotion, Pong, ReplyText, ServerMessage, Translation, TurnEnd
from neko.sockets.socket import nobody_takes

BACKLOG = 256  # messages; 10 s of 40 ms chunks for a slow client, then it holds the reply back; nothing is dropped
# Kept for a client that comes back: 87 s of speech, what a client that has fallen silent can miss before it is given up
# and while it is waited for.
REPLAY_BYTES = 8 * 1024 * 1024
# Of what has arrived at a client so much is kept all the same: its library may have answered for a program that had not
# read it yet, and then lost the connection. That is 0.7 s of speech at most with the libraries of ADR 6; this is 0.77 s.
ARRIVED_BYTES = 72 * 1024
# Between two questions whether it arrives: half a second of speech. Each costs two small frames; what was not asked about
# is kept for each client that listens.
PING_BYTES = 48 * 1024
REMEMBERED = 16  # interrupted turns; of older ones nobody is left who could still send
MESSAGE_BYTES = 256  # what a message without sound counts for in that


@frozen
class Goodbye:
    """The last word to a client: after everything before it, close with this code."""

    code: int
    reason: str


@define(eq=False)
class Farewell:
    """What a connection that lost its place is still told before it closes."""

    message: ServerMessage
    code: int


@frozen
class Silenced:
    """What of a turn had not left yet."""

    sound: list[AudioChunk]  # oldest first
    end: bool  # its end, which the client has not been told


Taken = Callable[[ServerMessage | Goodbye], bool]
"""Does with a message all that is to be done, or nothing and answers False."""

Leaves = Callable[[int, ServerMessage], bool]
"""Sends a message under its number, at once; False when it does not manage to."""


def nothing_leaves(_: int, __: ServerMessage) -> bool:
    return False


class Outbox:
    """One numbered stream of messages. Any task may post or send; the one subscription of the moment receives.

    Numbers are given when a message leaves, so that they have no gaps whatever was interrupted. A turn's end leaves
    when what was said is written in the journal; until then it can be taken back.
    """

    def __init__(self, ledger: Ledger, journal: Journal) -> None:
        self.ledger = ledger
        self._journal = journal
        self._written: TurnEnd | None = None  # the one that may leave
        self._due: tuple[TurnEnd, int] | None = None  # the one that is waited for, and how much was entered before it
        self._waiting = Waiting[ServerMessage | Goodbye]()
        self._aside = Aside()
        self._silenced: deque[str] = deque(maxlen=REMEMBERED)
        self._closed = False
        self._seq = 0
        self._sent: deque[tuple[int, ServerMessage]] = deque()
        self._sent_bytes = 0
        self._arrived_seq = 0

    def post(self, message: ServerMessage | Goodbye) -> None:
        """For what happens once: never waits, so that deciding it and telling it are one step."""
        if self._closed:
            self._enter(Spoken.DROPPED, message)
        else:
            self._waiting.put(message)

    def mention(self, about: Hashable, message: ServerMessage) -> None:
        """For what agents have to say, which may come a thousand times a second: see `Aside`."""
        if not self._closed:
            self._aside.put(about, message)
            self._waiting.wake()

    async def send(self, message: ServerMessage) -> None:
        """For what comes in streams: waits while the client is slow, and no longer than somebody may read it."""
        try:
            while self.full:
                await self._waiting.change()
        except trio.Cancelled:
            self._enter(Spoken.CUT, message)
            raise
        if _turn_of(message) in self._silenced:
            self._enter(Spoken.CUT, message)
        else:
            self.post(message)
        await trio.lowlevel.checkpoint()

    @property
    def full(self) -> bool:
        """What comes in streams waits."""
        return len(self._waiting.items) >= BACKLOG and not self._closed

    def silence(self, turn_id: str) -> Silenced:
        """Takes back what waits here of this turn, its end included, and lets nothing more of it be sent.

        What is posted still goes out: the turn's end, and a last piece of sound that fades. Whoever takes sound back
        enters in the ledger what of it is not posted again.
        """
        self._silenced.append(turn_id)
        waiting = self._waiting
        taken = [each for each in waiting.items if turn_id in (_turn_of(each), _end_of(each))]
        waiting.items = deque(each for each in waiting.items if turn_id not in (_turn_of(each), _end_of(each)))
        waiting.wake()
        sound = [each for each in taken if isinstance(each, AudioChunk)]
        return Silenced(sound, end=any(isinstance(each, TurnEnd) for each in taken))

    def drop_pongs(self) -> None:
        """Another client comes: what counts the frames of the one before means nothing to it."""
        self._waiting.items = deque(each for each in self._waiting.items if not isinstance(each, Pong))
        self._waiting.wake()

    def close(self) -> None:
        """Nobody will read this again."""
        self._closed = True
        for message in self._waiting.items:
            self._enter(Spoken.DROPPED, message)
        self._waiting.items.clear()
        self._aside.clear()
        self._waiting.wake()

    def waits(self) -> int:
        """How many messages wait."""
        return len(self._waiting.items)

    def waiting(self) -> Iterator[ServerMessage | Goodbye]:
        return iter(self._waiting.items)

    def rest(self) -> Iterator[tuple[int, ServerMessage]]:
        """All that waits, as if it left; a goodbye is for whoever reads this."""
        while (message := self.take()) is not None:
            if not isinstance(message, Goodbye):
                yield self.number(message), message

    def take(self) -> ServerMessage | Goodbye | None:
        """The next message, if one waits that may leave."""
        if self._waiting.items and self._unwritten is None:
            return self._waiting.pop()
        return self._aside.take(trio.current_time())

    async def next(self, taken: Taken = nobody_takes) -> None:
        """Until it is worth to `take` again.

        Meanwhile `taken` is asked whether it takes a message that would not have to wait, by whoever posts it.
        """
        due_at = self._aside.due_at
        if due_at == inf:
            await self._next(taken)  # with each message, where a deadline has its price
            return
        with trio.CancelScope(deadline=due_at):
            await self._next(taken)

    async def _next(self, taken: Taken) -> None:
        end = self._unwritten
        if end is None:
            await self._waiting.change(taken)
            return
        async with trio.open_nursery() as nursery:
            # Whoever cuts in meanwhile takes it back, and is told at once.
            nursery.start_soon(self._write_for, end, self._entered_before(end), nursery.cancel_scope)
            await self._waiting.change()
            nursery.cancel_scope.cancel()

    def _entered_before(self, end: TurnEnd) -> int:
        """Looked up once: whatever is entered while this is waited for again and again, it does not wait for that."""
        if self._due is None or self._due[0] is not end:
            self._due = end, self._journal.entered
        return self._due[1]

    async def _write_for(self, end: TurnEnd, upto: int, waiting: trio.CancelScope) -> None:
        await self._journal.written(upto)
        self._written = end
        waiting.cancel()

    @property
    def _unwritten(self) -> TurnEnd | None:
        """The end of a turn, when that is next and may not leave yet."""
        head = self._waiting.items[0] if self._waiting.items else None
        return head if isinstance(head, TurnEnd) and head is not self._written else None

    def wake(self) -> None:
        self._waiting.wake()

    async def change(self) -> None:
        await self._waiting.change()

    @property
    def next_seq(self) -> int:
        return self._seq + 1

    def number(self, message: ServerMessage) -> int:
        """The number under which the message leaves; remembers it for a client that comes back."""
        if isinstance(message, Pong):
            return self._seq
        self._seq += 1
        self._enter(Spoken.SENT, message)
        self._sent.append((self._seq, message))
        self._sent_bytes += _size(message)
        while self._sent_bytes > REPLAY_BYTES:
            self._sent_bytes -= _size(self._sent.popleft()[1])
        return self._seq

    def arrived(self, seq: int) -> None:
        """The client has everything up to this number: all but the last of it need not be kept."""
        if seq <= self._arrived_seq:
            return
        self._arrived_seq = seq
        # Numbers have no gaps, so that the place of one is known.
        kept_bytes = sum(_size(message) for number, message in self._sent if number > seq)
        while self._sent and self._sent_bytes - kept_bytes > ARRIVED_BYTES:
            self._sent_bytes -= _size(self._sent.popleft()[1])

    def missed(self, after: int) -> deque[tuple[int, ServerMessage]] | None:
        """Everything that left after number `after`; None when part of it is no longer known, or was never sent."""
        oldest = self._sent[0][0] if self._sent else self._seq + 1
        if not oldest - 1 <= after <= self._seq:
            return None
        return deque(entry for entry in self._sent if entry[0] > after)

    def _enter(self, fate: Spoken, message: ServerMessage | Goodbye) -> None:
        if isinstance(message, AudioChunk):
            self.ledger.spoken(fate, len(message.pcm), SPEECH_HZ)


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
        missed = deque() if after is None else self.outbox.missed(after)
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
        self._left_bytes += _size(message)
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
        return partial(outbox.arrived, seq)

    def close(self, farewell: Farewell | None = None) -> None:
        """Ends the place: its connection says `farewell` and closes."""
        if not self._closed:
            self.last_words = farewell
            self._closed = True
            self.outbox.wake()

    @property
    def next_seq(self) -> int:
        """For a last word that is not part of the stream."""
        return self.outbox.next_seq


def _turn_of(message: ServerMessage | Goodbye) -> str | None:
    """The turn whose words, sound or mood this is; its end is not of it."""
    match message:
        case ReplyText(turn_id=turn_id) | AudioChunk(turn_id=turn_id):
            return turn_id
        case Emotion(turn_id=turn_id) | Translation(turn_id=turn_id):
            return turn_id
        case _:
            return None


def _end_of(message: ServerMessage | Goodbye) -> str | None:
    return message.turn_id if isinstance(message, TurnEnd) else None


def _size(message: ServerMessage) -> int:
    return len(message.pcm) if isinstance(message, AudioChunk) else MESSAGE_BYTES
