"""The stage of the cancel sweep: one character, its fake models, and clients in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import trio
from attrs import define, field
from trio.testing import memory_stream_pair
from trio_websocket import ConnectionClosed, wrap_client_stream

from neko.config.manager import ConfigManager
from neko.config.model import Configuration
from neko.config.read import parse
from neko.config.snapshot import Snapshot
from neko.config.store import OverrideStore
from neko.nurseries.connection import serve_connection
from neko.nurseries.manager import LLMSessionManager
from neko.nurseries.ports import Ports, Voice
from neko.protocol.client import AudioFraming, InputMode
from neko.realtime.session import (
    Facts,
    Line,
    ModelCommand,
    ModelEvent,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    Tell,
    TextDelta,
    Told,
)
from neko.sockets import TrioSocket
from neko.sockets.lean_connection import lean_request
from neko.sockets.socket import nobody_takes
from neko.telemetry import get_logger
from neko.testing.fake_model import FakeModels, FakeModelSession, Happening
from neko.testing.fake_tools import FakeTools
from neko.testing.person import Person

NEWS = "It has begun to rain."
DIAL_S = CLOSE_S = 0.05  # a handshake and a goodbye that others can happen in
HANDSHAKE_WITHIN = 5.0  # seconds; trio-websocket waits for ever when the other end goes in the middle of one
log = get_logger("sweep")


class Over(Exception):
    """The play cannot go on: nobody is there to speak to."""


@define(eq=False)
class Wired:
    """A fake session whose calls are known; it tells agents' results as soon as it is asked to."""

    fake: FakeModelSession
    _call: Callable[[], None]

    @property
    def id(self) -> str:
        return self.fake.id

    @property
    def facts(self) -> Facts:
        return self.fake.facts

    async def prime(self, lines: Sequence[Line]) -> None:
        self._call()
        await self.fake.prime(lines)

    async def send(self, command: ModelCommand) -> None:
        self._call()
        await self.fake.send(command)
        if isinstance(command, Tell) and command.news is not None:
            reply = f"news of {self.id}"
            say(self.fake, ReplyStarted(reply), TextDelta(reply, NEWS), ReplyDone(reply, ReplyStatus.COMPLETED))

    async def ping(self) -> None:
        self._call()
        await self.fake.ping()

    async def receive(self, _: Told = nobody_takes) -> ModelEvent:
        # Each event needs a step of its own: what `send` has the model say comes after it, as over a line.
        self._call()
        return await self.fake.receive()

    def send_now(self, command: ModelCommand) -> bool:
        return self.fake.send_now(command)


def say(model: FakeModelSession, *events: Happening) -> None:
    """Has a model say this, unless it has fallen silent."""
    if not model.dead:
        model.say(*events)


@define(eq=False)
class Caller:
    """One client: what it got, and whether it is still there."""

    person: Person
    connected: bool = True

    async def listen(self) -> None:
        await self.person.read()
        self.connected = False


@define(eq=False)
class Stage:
    """`counting`: what happens from now on belongs to the sweep. `on_call` is told of each call of a model session."""

    manager: LLMSessionManager
    models: FakeModels
    clients: trio.Nursery
    house: trio.CancelScope = field(factory=trio.CancelScope)  # all of the process
    character: trio.CancelScope = field(factory=trio.CancelScope)
    connections: trio.Nursery | None = None
    lines: list[tuple[Any, trio.CancelScope]] = field(factory=list)  # the client's end, the server's connection
    callers: list[Caller] = field(factory=list)
    counting: bool = False
    brought: int = 0  # results of agents
    on_call: Callable[[], None] = lambda: None

    async def connect(self) -> Person:
        """A client over the real WebSocket protocol. Raises `Over`."""
        ours, theirs = memory_stream_pair()
        if self.house.cancel_called or self.connections is None:
            raise Over
        self.lines.append((ours, trio.CancelScope()))
        self.connections.start_soon(meet, theirs, self.manager, self.lines[-1][1])
        with trio.move_on_after(HANDSHAKE_WITHIN) as handshake:
            websocket = await wrap_client_stream(self.clients, ours, "neko", "/ws")  # type: ignore[arg-type]
        if handshake.cancelled_caught:
            await trio.aclose_forcefully(ours)
            raise Over
        self.callers.append(Caller(Person(websocket, ours)))
        self.clients.start_soon(self.callers[-1].listen)
        return self.callers[-1].person

    @property
    def model(self) -> FakeModelSession:
        """The model session that the person talks to. Raises `Over`."""
        session = self.manager.session
        if not isinstance(session, Wired):
            raise Over
        return session.fake

    @property
    def kept(self) -> list[FakeModelSession]:
        """The model sessions that there should be when nothing is in progress: the current one, and a prepared one."""
        session = self.manager._hosting.session
        if session is None or session._conduct is None:
            return []
        slots = [session._conduct.current, session._conduct.renewing.pending]
        return [slot.session.fake for slot in slots if slot is not None and isinstance(slot.session, Wired)]

    def hang_up(self) -> None:
        """Every client is gone without a word."""
        for client, _ in self.lines:
            client.send_stream.close()
            client.receive_stream.close()


@asynccontextmanager
async def open_stage(configuration: str, voice: Voice | None, folder: Path) -> AsyncIterator[Stage]:
    """Leaving it ends everything, as the end of the process does."""
    config = ConfigManager(_parsed(configuration), OverrideStore.in_folder(folder))
    models = FakeModels(dial_s=DIAL_S, close_s=CLOSE_S)

    @asynccontextmanager
    async def connect(snapshot: Snapshot, mode: InputMode, lines: Sequence[Line]) -> AsyncIterator[Wired]:
        stage.on_call()
        async with models.connect(snapshot, mode, lines) as fake:
            yield Wired(fake, lambda: stage.on_call())

    tools = FakeTools({"sky": _sky})
    manager = LLMSessionManager("Mimi", config, Ports(connect, lambda *_: voice, translate=_translate, tools=tools))
    async with trio.open_nursery() as nursery:
        stage = Stage(manager, models, nursery)
        await nursery.start(_house, stage)
        yield stage
        stage.house.cancel()
        stage.hang_up()


@cache
def _parsed(configuration: str) -> Configuration:
    """Once for thousands of stages."""
    return parse(configuration, "neko.toml")


async def _sky(_arguments: str) -> str:
    await trio.sleep(0.2)
    return "blue"


async def _translate(_snapshot: Snapshot, text: str, wanted: str) -> str:
    """Of those who have said what they speak."""
    await trio.sleep(0.2)
    return f"{text} ({wanted})"


async def _house(stage: Stage, *, task_status: trio.TaskStatus[None]) -> None:
    with stage.house:
        async with trio.open_nursery() as nursery:
            await nursery.start(_host, stage)
            stage.connections = nursery
            task_status.started()
            await trio.sleep_forever()


async def _host(stage: Stage, *, task_status: trio.TaskStatus[None]) -> None:
    with stage.character:
        async with trio.open_nursery() as nursery:
            await nursery.start(stage.manager.run)
            task_status.started()


async def meet(stream: Any, manager: LLMSessionManager, scope: trio.CancelScope) -> None:
    """What the listener does: a bug in a connection ends that connection, and is logged."""
    try:
        with scope:
            async with trio.open_nursery() as nursery:
                with suppress(ConnectionClosed):
                    await _serve(nursery, stream, manager)
                nursery.cancel_scope.cancel()
    except* Exception as errors:
        log.exception("connection.bug", exc_info=errors)
    finally:
        stream.send_stream.close()
        stream.receive_stream.close()


async def _serve(nursery: trio.Nursery, stream: Any, manager: LLMSessionManager) -> None:
    with trio.move_on_after(HANDSHAKE_WITHIN) as handshake:
        request = await lean_request(nursery, stream, message_queue_size=1)
        websocket = await request.accept()
    if handshake.cancelled_caught:
        return
    await serve_connection(TrioSocket(websocket), manager, AudioFraming.BASE64)
    with trio.move_on_after(1):
        await websocket.aclose()
