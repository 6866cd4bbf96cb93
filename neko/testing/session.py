"""One client of the loopback provider: what it sent, what it was told, how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from neko.testing.bell import Bell
from neko.testing.delivery import Delivery, Frame, Outgoing
from neko.testing.exchange import (
    Event,
    Expired,
    Fact,
    GoingAway,
    HangUp,
    Hear,
    Opened,
    Reply,
    ReplyEnded,
    ReplySound,
    ReplyStarted,
)
from neko.testing.lifetime import live
from neko.testing.mischief import Cut, Deafen
from neko.testing.model import PretendedModel
from neko.testing.record import VANISHED, Ended, Handshake, Party
from neko.testing.tagged import TagReader
from neko.testing.utterance import utter

if TYPE_CHECKING:
    from collections.abc import Callable

    from neko.testing.behaviour import Behaviour
    from neko.testing.dialects import Dialect
    from neko.testing.wire import Wire


class ProviderSession:
    """A record that grows while the session lives, and the means to end it by hand.

    `got`: every event that the client sent, in order, with its sound as bytes.
    `tags`: the tagged blocks in that sound. `spoke`: the tagged blocks that were sent to the client. `left_at`: when
    each of these had been written to the socket, in `trio.current_time()`.
    `ended`: None as long as the socket is open.
    """

    def __init__(self, handshake: Handshake, dialect: Dialect, behaviour: Behaviour, name: str) -> None:
        self.handshake = handshake
        self.got: list[Event] = []
        self.tags: list[int] = []
        self.spoke: list[int] = []
        self.left_at: list[float] = []
        self.ended: Ended | None = None
        self._dialect = dialect
        self._behaviour = behaviour
        self._model = PretendedModel(behaviour, dialect.settings, dialect.hears_hz, name)
        self._delivery = Delivery(behaviour, self._spoken)
        self._reader = TagReader(dialect.hears_hz)
        self._sound = bytearray()
        self._bell = Bell()
        self._speech = trio.CancelScope()  # of the reply that is being given
        self._outbox = self._delivery.outbox

    @property
    def open(self) -> bool:
        return self.ended is None

    @property
    def audio(self) -> bytes:
        """All sound that the client sent: PCM16 mono at the dialect's `hears_hz`."""
        return bytes(self._sound)

    def events(self, kind: str) -> list[Event]:
        """Those of the client's events that the dialect calls so."""
        return [event for event in self.got if self._dialect.kind(event) == kind]

    async def received(self, kind: str, count: int = 1) -> Event:
        """Waits for the client's event number `count` of this kind."""
        await self._bell.until(lambda: len(self.events(kind)) >= count)
        return self.events(kind)[count - 1]

    async def heard(self, block: int) -> None:
        """Waits until the client has sent this tagged block."""
        await self._bell.until(lambda: block in self.tags)

    async def closed(self) -> Ended:
        """Waits for the end of the session."""
        await self._bell.until(lambda: self.ended is not None)
        assert self.ended is not None
        return self.ended

    async def emit(self, event: Event) -> None:
        """Sends any event.

        Raises, as does all that follows:
            trio.ClosedResourceError, trio.BrokenResourceError: the session is over.
        """
        await self._outbox.send(Outgoing((self._framed(event),)))

    async def go_away(self, left_s: float) -> None:
        """Announces the end, which does not come by itself."""
        await self._tell(GoingAway(left_s))

    async def expire(self) -> None:
        """Ends the session as the dialect's sessions end, and waits for it."""
        await self._tell(Expired())
        await self.closed()

    async def deafen(self) -> None:
        """After what has been said so far the client is heard no more, and its pings are not answered."""
        await self._outbox.send(Deafen())

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes after what has been said so far, and waits for the end."""
        await self._outbox.send(HangUp(code, reason))
        await self.closed()

    async def drop(self) -> None:
        """Resets TCP after what has been said so far, and waits for the end."""
        await self._outbox.send(Cut())
        await self.closed()

    async def run(self, connection: WebSocketConnection, wire: Wire, take_blocks: Callable[[int], int]) -> None:
        """The session from the accepted upgrade to its end, whoever ends it."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, connection, nursery, take_blocks)
                nursery.start_soon(live, self._behaviour, self._dialect.heartbeat_s, self._tell)
                await self._delivery.run(connection, wire)
                nursery.cancel_scope.cancel()
        finally:
            self._delivery.close()
            self.ended = self._delivery.fate or _left(connection)
            self._bell.ring()

    async def _listen(
        self, connection: WebSocketConnection, nursery: trio.Nursery, take_blocks: Callable[[int], int]
    ) -> None:
        await self._perform(Opened(), nursery, take_blocks)
        try:
            while True:
                event, requests = self._dialect.read(await connection.get_message())
                self._record(event, b"".join(request.pcm for request in requests if isinstance(request, Hear)))
                for request in requests:
                    # Lazily: each fact is decided when those before it have been told, since a reply may end meanwhile.
                    for fact in self._model.on(request):
                        await self._perform(fact, nursery, take_blocks)
        except ConnectionClosed:
            # When it is the writer that closes, it still waits for the closing handshake.
            if self._delivery.fate is None:
                nursery.cancel_scope.cancel()

    def _record(self, event: Event, pcm: bytes) -> None:
        if self._behaviour.records:
            self.got.append(event)
            self._sound += pcm
            self.tags += self._reader.push(pcm)
        self._bell.ring()

    def _spoken(self, blocks: range) -> None:
        if self._behaviour.records:
            self.spoke += blocks
            self.left_at += [trio.current_time()] * len(blocks)

    async def _perform(self, fact: Fact, nursery: trio.Nursery, take_blocks: Callable[[int], int]) -> None:
        if isinstance(fact, ReplyEnded):
            self._speech.cancel()
        await self._tell(fact)
        if isinstance(fact, ReplyStarted):
            self._speech = trio.CancelScope()
            nursery.start_soon(self._speak, fact.reply, self._speech, take_blocks)

    async def _speak(self, reply: Reply, scope: trio.CancelScope, take_blocks: Callable[[int], int]) -> None:
        behaviour = self._behaviour
        with scope:
            await trio.sleep(behaviour.first_delta_after_s)
            due = trio.current_time()
            for facts in utter(reply, behaviour, self._dialect.speaks_hz, take_blocks):
                for fact in facts:
                    if not self._model.gives(reply):
                        return
                    await self._tell(fact)
                if behaviour.paced:
                    due += behaviour.delta_ms / 1000
                    await trio.sleep_until(due)
            await trio.sleep(behaviour.done_after_s)
        # No checkpoint until the model knows of the end. Whoever cancelled the reply has told its end.
        if not scope.cancel_called and self._model.gives(reply):
            await self._tell(self._model.finish(reply))

    async def _tell(self, fact: Fact) -> None:
        blocks = fact.blocks if isinstance(fact, ReplySound) else range(0)
        await self._outbox.send(Outgoing(tuple(map(self._framed, self._dialect.write(fact))), blocks))

    def _framed(self, event: Event | HangUp) -> Frame | HangUp:
        # Now, because an event may show the session object, which the client's next event changes.
        return event if isinstance(event, HangUp) else Frame(self._dialect.kind(event), self._dialect.frame(event))


def _left(connection: WebSocketConnection) -> Ended:
    """How it ended when no fate did it: the client closed, or this server is going away."""
    if connection.closed is None:
        return Ended(Party.PROVIDER, VANISHED)
    return Ended(Party.CLIENT, int(connection.closed.code))
