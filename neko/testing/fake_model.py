"""A model session in memory: it records what it is told and says what a test has it say; made for virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from math import inf

import trio
from attrs import define, evolve, field

from neko.config.snapshot import Snapshot
from neko.protocol.client import InputMode
from neko.realtime.errors import ProviderError, SessionLost
from neko.realtime.session import Facts, Hear, Line, ModelCommand, ModelEvent, Told
from neko.sockets.quick import QuickReceiver
from neko.sockets.socket import nobody_takes

Happening = ModelEvent | ProviderError
VOICED = Facts(hears_hz=24_000, speaks_hz=24_000)
SILENT = Facts(hears_hz=None, speaks_hz=None, watched=False)


@define(eq=False)
class FakeModelSession:
    """One session; `got` is what it was told, sound joined in `heard`."""

    id: str
    snapshot: Snapshot
    mode: InputMode
    facts: Facts
    got: list[ModelCommand] = field(factory=list)
    heard: bytearray = field(factory=bytearray)
    primed: list[Line] = field(factory=list)
    open: bool = True
    dead: bool = False  # answers nothing any more, pings neither
    takes_s: float = 0.0  # how long it takes a line or a command in; one that is closed meanwhile raises
    # Without bound: a test says what it likes before anybody listens, and never much.
    _events: QuickReceiver[Happening] = field(factory=lambda: QuickReceiver[Happening](inf))

    async def prime(self, lines: Sequence[Line]) -> None:
        await self._take()
        self.primed += lines

    async def send(self, command: ModelCommand) -> None:
        await self._take()
        self._note(command)

    def _note(self, command: ModelCommand) -> None:
        if isinstance(command, Hear):
            self.heard += command.pcm
        else:
            self.got.append(command)

    def send_now(self, command: ModelCommand) -> bool:
        if self.takes_s or not self.open:
            return False
        self._note(command)
        return True

    async def _take(self) -> None:
        await trio.sleep(self.takes_s)
        if not self.open:
            raise SessionLost("the fake session is closed")

    async def ping(self) -> None:
        """Answered at once, unless it is `dead`."""
        await trio.sleep(inf if self.dead else 0)

    async def receive(self, told: Told = nobody_takes) -> ModelEvent:
        event = await self._events.receive(lambda event: not isinstance(event, ProviderError) and told(event))
        if isinstance(event, ProviderError):
            raise event
        return event

    def say(self, *events: Happening) -> None:
        """Has the session say this, in order; an error ends it."""
        for event in events:
            if not self._events.hand(event):
                self._events.put(event)


@define(eq=False)
class FakeModels:
    """A `Connect`: hands out sessions and remembers them all."""

    dial_s: float = 0.0  # how long the handshake takes
    close_s: float = 0.0  # how long the goodbye takes, whatever is cancelled
    takes_s: float = 0.0  # what sessions that are dialled from now on begin with
    refusal: ProviderError | None = None
    away: dict[str, ProviderError] = field(factory=dict)  # providers, by name, that refuse with this
    silent: set[str] = field(factory=set)  # providers that never answer
    sees: bool = True
    voiced: Facts = VOICED  # what spoken sessions are like
    first_words: tuple[Happening, ...] = ()  # said as soon as somebody listens
    sessions: list[FakeModelSession] = field(factory=list)
    dialling: int = 0

    @asynccontextmanager
    async def connect(
        self, snapshot: Snapshot, mode: InputMode, lines: Sequence[Line]
    ) -> AsyncIterator[FakeModelSession]:
        name = snapshot.provider_name if mode is InputMode.AUDIO else snapshot.text_provider_name
        self.dialling += 1
        try:
            await trio.sleep(inf if name in self.silent else self.dial_s)
        finally:
            self.dialling -= 1
        refusal = self.away.get(name, self.refusal)
        if refusal is not None:
            raise refusal
        facts = evolve(self.voiced if mode is InputMode.AUDIO else SILENT, sees=self.sees)
        session = FakeModelSession(f"fake_{len(self.sessions)}", snapshot, mode, facts, takes_s=self.takes_s)
        session.primed += lines
        session.say(*self.first_words)
        self.sessions.append(session)
        try:
            yield session
        finally:
            with trio.move_on_after(self.close_s, shield=True):
                await trio.sleep_forever()
            session.open = False

    @property
    def live(self) -> list[FakeModelSession]:
        return [session for session in self.sessions if session.open]
