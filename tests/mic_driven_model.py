"""A model in memory whose every word hangs on what it has heard: the same sound makes it say the same, cut or not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from attrs import define, field

from neko.config.snapshot import Snapshot
from neko.protocol.client import InputMode
from neko.realtime.session import Hear, Line, ModelCommand, ModelEvent, Told
from neko.sockets.socket import nobody_takes
from neko.testing.fake_model import VOICED, FakeModelSession, Happening

HZ = 24_000


@define(eq=False)
class MicDriven(FakeModelSession):
    """`script` tells what is said once so many samples were heard, oldest first; `answers` what each command gets."""

    script: list[tuple[int, list[Happening]]] = field(factory=list)
    answers: Callable[[ModelCommand], Sequence[Happening]] = field(default=lambda _: ())

    def send_now(self, _: ModelCommand) -> bool:
        """What it answers comes after what it is told, as over a line: each has a step of its own."""
        return False

    async def receive(self, _: Told = nobody_takes) -> ModelEvent:
        return await super().receive()

    async def send(self, command: ModelCommand) -> None:
        await FakeModelSession.send(self, command)
        if not isinstance(command, Hear):
            self.say(*self.answers(command))
        while self.script and len(self.heard) // 2 >= self.script[0][0]:
            self.say(*self.script.pop(0)[1])


@define(eq=False)
class MicDrivenModels:
    """A `Connect`; there is one session in a play."""

    script: list[tuple[int, list[Happening]]]
    answers: Callable[[ModelCommand], Sequence[Happening]]
    sessions: list[MicDriven] = field(factory=list)

    @asynccontextmanager
    async def connect(self, snapshot: Snapshot, mode: InputMode, lines: Sequence[Line]) -> AsyncIterator[MicDriven]:
        name = f"model_{len(self.sessions)}"
        session = MicDriven(name, snapshot, mode, VOICED, script=list(self.script), answers=self.answers)
        self.sessions.append(session)
        try:
            yield session
        finally:
            session.open = False
