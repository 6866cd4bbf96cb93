"""What a client is told, in order; it outlives the connections that carry it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from math import inf

import trio
from attrs import frozen

from neko.audio.ledger import Ledger, Spoken
from neko.conversation.journal import Journal
from neko.nurseries.aside import Aside
from neko.nurseries.replay import Replay
from neko.nurseries.waiting import Waiting
from neko.protocol.codec import SPEECH_HZ
from neko.protocol.server import AudioChunk, Emotion, Pong, ReplyText, ServerMessage, Translation, TurnEnd
from neko.sockets.socket import nobody_takes

BACKLOG = 256  # messages; 10 s of 40 ms chunks for a slow client, then it holds the reply back; nothing is dropped
REMEMBERED = 16  # interrupted turns; of older ones nobody is left who could still send


@frozen
class Goodbye:
    """The last word to a client: after everything before it, close with this code."""

    code: int
    reason: str


@frozen
class Silenced:
    """What of a turn had not left yet."""

    sound: list[AudioChunk]  # oldest first
    end: bool  # its end, which the client has not been told


Taken = Callable[[ServerMessage | Goodbye], bool]
"""Does with a message all that is to be done, or nothing and answers False."""


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
        self.left = Replay()

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

    def number(self, message: ServerMessage) -> int:
        """The number under which the message leaves."""
        if not isinstance(message, Pong):
            self._enter(Spoken.SENT, message)
        return self.left.number(message)

    def _enter(self, fate: Spoken, message: ServerMessage | Goodbye) -> None:
        if isinstance(message, AudioChunk):
            self.ledger.spoken(fate, len(message.pcm), SPEECH_HZ)


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
