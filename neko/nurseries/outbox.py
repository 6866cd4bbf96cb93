"""What a client is told, in order; it outlives the connections that carry it."""

from __future__ import annotations

from collections import deque

import trio
from attrs import define, field, frozen

from neko.protocol.client import AudioFraming
from neko.protocol.server import AudioChunk, Emotion, Pong, ReplyText, ServerMessage, Translation

BACKLOG = 256  # messages; 10 s of 40 ms chunks for a slow client, then it holds the reply back. Nothing is dropped
REPLAY_BYTES = 8 * 1024 * 1024  # kept for a client that comes back: 87 s of speech, more than any reply here
MESSAGE_BYTES = 256  # what a message without sound counts for in that
REMEMBERED = 16  # interrupted turns; their stragglers are all in the backlog, which holds a few turns at most


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


class Outbox:
    """One numbered stream of messages. Any task may send; the one subscription of the moment receives.

    Numbers are given when a message leaves, so that they have no gaps whatever was interrupted.
    """

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[ServerMessage | Goodbye](BACKLOG)
        self._seq = 0
        self._sent: deque[tuple[int, ServerMessage]] = deque()
        self._sent_bytes = 0
        self._silenced: deque[str] = deque(maxlen=REMEMBERED)

    async def send(self, message: ServerMessage | Goodbye) -> None:
        """Waits while the client is slow. Once the outbox is closed there is nobody to tell, and it returns."""
        try:
            await self._send.send(message)
        except trio.BrokenResourceError:
            await trio.lowlevel.checkpoint()

    def silence(self, turn_id: str) -> None:
        """Nothing of this turn but its end goes out from now on, not even what waits here already."""
        self._silenced.append(turn_id)

    def subscribe(self, framing: AudioFraming, *, held: bool) -> Subscription:
        """The next connection's place. A held one waits to hear from its client where to begin."""
        subscription = Subscription(self, self._receive.clone(), framing)
        if not held:
            subscription.begin(after=None)
        return subscription

    def close(self) -> None:
        """Nobody will read this again."""
        self._receive.close()

    def statistics(self) -> int:
        """How many messages wait."""
        return self._send.statistics().current_buffer_used

    def is_silenced(self, message: ServerMessage) -> bool:
        match message:
            case ReplyText(turn_id=turn_id) | AudioChunk(turn_id=turn_id):
                return turn_id in self._silenced
            case Emotion(turn_id=turn_id) | Translation(turn_id=turn_id):
                return turn_id in self._silenced
            case _:
                return False

    def number(self, message: ServerMessage) -> int:
        """The number under which the message leaves; remembers it for a client that comes back."""
        if isinstance(message, Pong):
            return self._seq
        self._seq += 1
        self._sent.append((self._seq, message))
        self._sent_bytes += _size(message)
        while self._sent_bytes > REPLAY_BYTES:
            self._sent_bytes -= _size(self._sent.popleft()[1])
        return self._seq

    def missed(self, after: int) -> deque[tuple[int, ServerMessage]] | None:
        """Everything that left after number `after`; None when part of it is no longer known, or was never sent."""
        oldest = self._sent[0][0] if self._sent else self._seq + 1
        if not oldest - 1 <= after <= self._seq:
            return None
        return deque(entry for entry in self._sent if entry[0] > after)


@define(eq=False)
class Subscription:
    """One connection's place at an outbox: what it missed, then what comes."""

    _outbox: Outbox
    _receive: trio.MemoryReceiveChannel[ServerMessage | Goodbye]
    framing: AudioFraming  # how this client takes speech
    farewell: Farewell | None = None
    goodbye: Goodbye | None = None
    _missed: deque[tuple[int, ServerMessage]] = field(factory=deque)
    _begun: trio.Event = field(factory=trio.Event)
    gone: trio.Event = field(factory=trio.Event)  # its connection is over

    def begin(self, after: int | None) -> bool:
        """Lets it run, from after that number or from now, the first time it is called.

        False when it runs already and has a number to begin at, or when what was missed is not known any more.
        """
        if self._begun.is_set():
            return after is None
        missed = None if after is None else self._outbox.missed(after)
        self._missed = missed or deque()
        self._begun.set()
        return after is None or missed is not None

    async def receive(self) -> tuple[int, ServerMessage] | None:
        """The next message and its number; None when this connection is to say goodbye."""
        await self._begun.wait()
        if self._missed:
            return self._missed.popleft()
        while True:
            try:
                message = await self._receive.receive()
            except (trio.ClosedResourceError, trio.EndOfChannel):
                return None
            if isinstance(message, Goodbye):
                self.goodbye = message
                return None
            if not self._outbox.is_silenced(message):
                return self._outbox.number(message), message

    def number(self, message: ServerMessage) -> int:
        return self._outbox.number(message)

    def close(self, farewell: Farewell | None = None) -> None:
        """Ends the place: its connection says `farewell` and closes."""
        self.farewell = farewell
        self._begun.set()
        self._receive.close()


def _size(message: ServerMessage) -> int:
    return len(message.pcm) if isinstance(message, AudioChunk) else MESSAGE_BYTES
