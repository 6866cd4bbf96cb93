"""Results of agents by chance: whatever comes between, each is told exactly once or listed as expired.

A result counts as told in a turn whose words were entered, as agents hear of it. Words that a process did not live to
enter are no telling: the client was not told the end of that turn either.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.snapshot import Snapshot
from neko.config.store import OverrideStore
from neko.conversation.callbacks import KEPT_S
from neko.conversation.history import History, Role
from neko.conversation.journal import Entry, NoJournal, ResultBrought, ResultExpired, ResultTold
from neko.conversation.past import Past
from neko.nurseries.manager import LLMSessionManager
from neko.nurseries.minutes import Minutes
from neko.nurseries.ports import Ports
from neko.nurseries.slot import Slot
from neko.nurseries.subscription import Subscription
from neko.nurseries.turn import Turn
from neko.protocol.agents.reports import Delivery, Result, TaskStatus
from neko.protocol.client import AudioFraming, InputMode, SwapSession, SwapWhen, TypedText
from neko.realtime.errors import SessionLost
from neko.realtime.session import (
    AudioDelta,
    GoOn,
    Line,
    ModelCommand,
    ModelEvent,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    Say,
    SpeechStarted,
    SpeechStopped,
    Tell,
    TextDelta,
    Told,
    UserSaid,
)
from neko.sockets.socket import nobody_takes
from neko.testing.fake_model import SILENT, VOICED, FakeModelSession
from tests.fuzz.stage import cancelled_at_the_end, let_run, pass_time

PARTS = 4
INTERLEAVINGS = int(os.environ.get("NEKO_INTERLEAVINGS", "2000"))  # in all parts together
STEPS = 20
TURNS_AT_THE_END = 400  # more than results that wait, some of them for a retry
FEW = 2
ANSWERS_WITHIN_S = 3.0  # a provider that takes ten is given up
NEWS = re.compile(r"news-\d+;")
NAME = "Mimi"
CONFIG = parse(f"[session]\nmax_turns = 3\n[characters.{NAME}]\n", "neko.toml")
WORDS = "…"  # in place of what a model says, until it says it


@define(eq=False)
class Teller(FakeModelSession):
    """Tells with its next words all that it was given to tell."""

    untold: list[str] = field(factory=list)
    slots: Callable[[], list[Slot]] = list  # those that are talked to, or were
    asked: bool = False

    async def prime(self, lines: Sequence[Line]) -> None:
        await super().prime(lines)
        self._read([line.text for line in lines if line.role == "system" and not line.text.startswith("Know")])

    async def send(self, command: ModelCommand) -> None:
        await super().send(command)
        self.asked = self.asked or isinstance(command, Say | Tell | GoOn)
        if isinstance(command, Tell):
            self._read([command.instructions])

    async def receive(self, _: Told = nobody_takes) -> ModelEvent:
        event = await super().receive()
        if isinstance(event, TextDelta) and event.text == WORDS:
            # What it says in a reply that was cut, nobody hears.
            cut = any(slot.was_cut(event.reply_id) for slot in self.slots() if slot.session is self)
            told, self.untold = ([], self.untold) if cut else (self.untold, [])
            return TextDelta(event.reply_id, "".join([*told, "Hello."]))
        return event

    def _read(self, texts: list[str]) -> None:
        new = [name for text in texts for name in NEWS.findall(text)]
        self.untold += [name for name in new if name not in self.untold]


@define(eq=False)
class Book(NoJournal):
    """A journal, of which so much is written as somebody waited for, or chance would have it."""

    entries: list[Entry] = field(factory=list)
    durable: int = 0

    def enter(self, entry: Entry) -> None:
        self.entries.append(entry)

    async def written(self, _upto: int | None = None) -> None:
        await trio.lowlevel.checkpoint()
        self.durable = len(self.entries)

    def past(self) -> Past:
        """As a process finds it that comes after this one."""
        del self.entries[self.durable :]
        settled = [each.id for each in self.entries if isinstance(each, ResultTold | ResultExpired)]
        brought = [each for each in self.entries if isinstance(each, ResultBrought) and each.id not in settled]
        return Past(History(self), tuple(brought), tuple(settled))


@define(eq=False)
class World:
    """One character through the lives of several processes."""

    chance: random.Random
    config: ConfigManager
    book: Book = field(factory=Book)
    sessions: list[Teller] = field(factory=list)
    told: Counter[str] = field(factory=Counter)
    brought: dict[str, Delivery] = field(factory=dict)
    brought_at: dict[str, float] = field(factory=dict)
    known: set[str] = field(factory=set)  # by silent notes
    expired: set[str] = field(factory=set)
    refuses: bool = False
    manager: LLMSessionManager = field(init=False)
    client: Subscription | None = None
    _numbers: Iterator[int] = field(factory=lambda: count(1))
    _replies: Iterator[int] = field(factory=lambda: count(1))

    @asynccontextmanager
    async def connect(self, snapshot: Snapshot, mode: InputMode, lines: Sequence[Line]) -> AsyncIterator[Teller]:
        await trio.sleep(self.chance.choice([0, 0, 0.1, 1]))
        if self.refuses:
            raise SessionLost("the provider is away")
        facts = VOICED if mode is InputMode.AUDIO else SILENT
        session = Teller(f"fake_{len(self.sessions)}", snapshot, mode, facts, takes_s=self.chance.choice([0, 0, 0.05]))
        session.primed += lines
        session.slots = self.slots
        self.sessions.append(session)
        try:
            yield session
        finally:
            session.open = False

    # --- one process -----------------------------------------------------------------------------------------------

    async def live(self, steps: int) -> bool:
        """True when the process ended as it should, False when it died."""
        self.manager = LLMSessionManager(NAME, self.config, Ports(self.connect, lambda *_: None), self.book.past())
        async with cancelled_at_the_end() as nursery:
            await nursery.start(self.manager.run)
            self.come(nursery)
            for _ in range(steps):
                step = self.chance.choice(STEPS_OF)
                await getattr(self, step)(nursery)
                if step == "die":
                    return False
                await let_run(self.chance.choice([None, None, 1, 2, 3, 5, 8]))
            await self.end_well(nursery)
        return True

    async def end_well(self, nursery: trio.Nursery) -> None:
        """Everything comes right again, and everybody answers."""
        self.refuses = False
        await self.come_back(nursery)
        for turn in range(TURNS_AT_THE_END):
            if not self.manager.is_active:
                await self.start(nursery)
            await pass_time(ANSWERS_WITHIN_S)
            if turn % 3 == 2:
                await self.type(nursery)
                await pass_time(0)
            self.answer()
            await pass_time(ANSWERS_WITHIN_S)
            if turn > FEW and not self.manager.pending_agent_callbacks:
                break
        await self.manager.end_session()
        await pass_time(60)

    def slots(self) -> list[Slot]:
        session = self.manager._hosting.session
        return session._models._slots if session is not None and session._models is not None else []

    @property
    def current(self) -> Teller | None:
        return cast("Teller | None", self.manager.session)

    def come(self, nursery: trio.Nursery) -> None:
        self.client = client = self.manager.attach(cast(Any, object()), AudioFraming.BASE64)
        self.manager.admit(client)
        nursery.start_soon(self._read, client)

    async def _read(self, client: Subscription) -> None:
        while (entry := await client.receive()) is not None:
            client.sent(entry[1])

    # --- what happens ----------------------------------------------------------------------------------------------

    async def bring(self, _: trio.Nursery) -> None:
        number = next(self._numbers)
        delivery = self.chance.choice(list(Delivery))
        name = f"news-{number};"
        self.brought[name] = delivery
        self.brought_at[name] = trio.current_time()
        self._bring(name, delivery)
        if self.chance.random() < 0.3:
            self._bring(name, delivery)

    async def bring_again(self, _: trio.Nursery) -> None:
        # What is brought again after an hour is another result.
        lately = [name for name, at in self.brought_at.items() if trio.current_time() < at + KEPT_S]
        if lately:
            name = self.chance.choice(lately)
            self._bring(name, self.brought.setdefault(name, Delivery.PROACTIVE))

    def _bring(self, name: str, delivery: Delivery) -> None:
        result = Result(lanlan_name=NAME, text=name, task_id=name, status=TaskStatus.COMPLETED, delivery_mode=delivery)
        self.manager.desk.bring(result)

    async def start(self, _: trio.Nursery) -> None:
        if self.client is not None and self.manager.websocket is not None:
            mode = self.chance.choice(list(InputMode))
            await self.manager.start_session(self.manager.websocket, self.chance.random() < 0.2, mode)

    async def type(self, _: trio.Nursery) -> None:
        await self.manager.stream_data(TypedText("Hm?"))

    async def cut_in(self, _: trio.Nursery) -> None:
        await self.manager.handle_new_message()

    async def speak(self, _: trio.Nursery) -> None:
        if self.current is not None and self.current.facts.tells_speech and self.current.mode is InputMode.AUDIO:
            self.current.say(SpeechStarted())

    async def fall_silent(self, _: trio.Nursery) -> None:
        if self.current is not None and self.current.mode is InputMode.AUDIO:
            said = self.chance.choice(["Hm?", ""])
            self.current.say(SpeechStopped(), UserSaid(said))
            self.current.asked = self.current.asked or bool(said)

    async def reply(self, _: trio.Nursery) -> None:
        self.answer()

    def answer(self) -> None:
        if self.current is not None and self.current.asked:
            self.current.asked = False
            name = f"r{next(self._replies)}"
            sound = [AudioDelta(name, "i", bytes(4_800))] if self.current.mode is InputMode.AUDIO else []
            self.current.say(ReplyStarted(name), TextDelta(name, WORDS), *sound, ReplyDone(name, ReplyStatus.COMPLETED))

    async def reply_in_part(self, _: trio.Nursery) -> None:
        if self.current is not None and self.current.asked:
            self.current.asked = False
            name = f"r{next(self._replies)}"
            words = [TextDelta(name, WORDS)] * self.chance.randint(0, 1)
            end = [ReplyDone(name, self.chance.choice(list(ReplyStatus)))] * self.chance.randint(0, 1)
            self.current.say(ReplyStarted(name), *words, *end)

    async def swap(self, _: trio.Nursery) -> None:
        wish = SwapSession(self.chance.choice(list(SwapWhen)), prompt=self.chance.choice(["A cat.", "A dog."]))
        await self.manager.swap_session(wish)

    async def lose(self, _: trio.Nursery) -> None:
        live = [session for session in self.sessions if session.open]
        if live:
            self.chance.choice(live).say(SessionLost("the provider closed with 1011"))

    async def refuse(self, _: trio.Nursery) -> None:
        self.refuses = self.chance.random() < 0.3

    async def vanish(self, _: trio.Nursery) -> None:
        if self.client is not None:
            self.manager.detach(self.client, clean=self.chance.random() < 0.3)
            self.client = None

    async def come_back(self, nursery: trio.Nursery) -> None:
        if self.client is None:
            self.come(nursery)

    async def end(self, _: trio.Nursery) -> None:
        await self.manager.end_session()

    async def time(self, _: trio.Nursery) -> None:
        await pass_time(self.chance.choice([0.05, 0.3, 1, 6, 40]))

    async def long_time(self, _: trio.Nursery) -> None:
        if self.chance.random() < 0.2:
            await pass_time(2_000)

    async def write(self, _: trio.Nursery) -> None:
        await self.book.written()

    async def die(self, _: trio.Nursery) -> None:
        """What was not written is lost, and nobody says goodbye."""


STEPS_OF = [
    *["bring"] * 5, "bring_again", *["start"] * 3, "type", "cut_in", "speak", "fall_silent", *["reply"] * 4,
    *["reply_in_part"] * 2, *["swap"] * 2, "lose", "refuse", "vanish", *["come_back"] * 2, "end", *["time"] * 3,
    "long_time", *["write"] * 2, "die",
]  # fmt: skip


async def play(seed: int, config: ConfigManager, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(random.Random(seed), config)
    enter = Minutes.enter

    def entered(self: Minutes, turn: Turn, text: str, *, interrupted: bool) -> int | None:
        dying.update(NEWS.findall(turn.arrived))
        return enter(self, turn, text, interrupted=interrupted)

    with monkeypatch.context() as patch:
        patch.setattr(Minutes, "enter", entered)
        ended_well = False
        while not ended_well:
            dying = Counter[str]()
            ended_well = await world.live(STEPS)
            settle(world, dying, ended_well=ended_well)
    return world


def settle(world: World, told: Counter[str], *, ended_well: bool) -> None:
    """Of a process that died counts what it had written."""
    entries = world.book.entries if ended_well else world.book.entries[: world.book.durable]
    world.book.durable = len(entries)
    ids = {kind: {each.id.split(" ")[0] for each in entries if isinstance(each, kind)} for kind in KINDS}
    for name in told:
        if name in ids[ResultTold]:
            world.told[name] += told[name]
    world.expired |= ids[ResultExpired]
    world.known |= {
        name
        for each in world.manager.history
        if each.role is Role.SYSTEM
        for name in NEWS.findall(each.text)
        if name in ids[ResultTold]
    }
    for name in set(world.brought) - ids[ResultBrought]:
        del world.brought[name]  # nobody knows of it; its agent was not told that it was taken


KINDS = (ResultBrought, ResultTold, ResultExpired)


def judge(world: World) -> None:
    for name, delivery in world.brought.items():
        told = int(name in world.known) if delivery is Delivery.SILENT else world.told[name]
        expired = int(name in world.expired)
        assert told + expired == 1, f"{name} ({delivery}) told {told} times, expired: {bool(expired)}"
        assert delivery is not Delivery.SILENT or not world.told[name], f"{name} is not to be told"
    assert not world.manager.pending_agent_callbacks


@pytest.mark.slow
@pytest.mark.timeless
@pytest.mark.usefixtures("no_log")
@pytest.mark.parametrize("part", range(PARTS))
def test_each_result_is_told_exactly_once_or_has_expired(
    part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ConfigManager(CONFIG, OverrideStore.in_folder(tmp_path))
    results = 0
    for seed in range(part, INTERLEAVINGS, PARTS):
        trio._core._run._r.seed(seed)
        world = trio.run(play, seed, config, monkeypatch, clock=MockClock())
        try:
            judge(world)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from None
        results += len(world.brought)
    assert results > INTERLEAVINGS // PARTS
