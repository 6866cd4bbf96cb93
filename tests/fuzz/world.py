"""One character on a pretended provider, and one person who talks to it: each method is a step of a script."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path

import pybase64
import trio
from attrs import define, evolve, field

from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.snapshot import Snapshot
from neko.config.store import OverrideStore
from neko.nurseries.manager import LLMSessionManager
from neko.nurseries.ports import Ports
from neko.nurseries.takeover import RETIRE_WITHIN
from neko.protocol.client import InputMode
from neko.realtime.dialects.base import Setup
from neko.realtime.dialects.openai import OpenAiDialect
from neko.realtime.omni_realtime import OmniRealtimeClient, open_realtime
from neko.realtime.session import Line
from neko.testing.dialects.openai import OpenAI
from neko.testing.memory import ProviderInMemory
from neko.testing.person import Person, open_person
from neko.testing.session import ProviderSession
from neko.testing.tagged import tag
from tests.fuzz.ledger import Ledger
from tests.fuzz.stage import cancelled_at_the_end, let_run, pass_time
from tests.fuzz.witness import Unrepeated, Witness

NAME = "Mimi"
CHARACTERS = f"""
[session]
max_turns = 3
[providers.simulator]
kind = "openai"
url = "ws://simulator/v1/realtime"
[characters.{NAME}]
provider = "simulator"
prompt = "You are a cat."
"""
ENDS_UTTERANCE = 10  # blocks of silence
PAUSE = 4  # at most so many within an utterance: far enough from its end for any resampling
QUIET = 20  # blocks that end it, whatever the resampler still holds back
KEPT_WARM_S = 20.0
SETTLED_S = RETIRE_WITHIN + 6  # a retired session is gone, a lost one replaced or given up


def behaviour() -> Unrepeated:
    """One for each conversation: whoever counts over several conversations plays a script twice in two ways."""
    return Unrepeated(
        silence_ms=ENDS_UTTERANCE * 10, response_ms=200, delta_ms=40, paced=True, first_delta_after_s=0.05, records=False
    )


@cache
def configuration() -> ConfigManager:
    return ConfigManager(parse(CHARACTERS, "neko.toml"), OverrideStore.in_folder(Path(tempfile.gettempdir(), "absent")))


@cache
def _block(number: int, hz: int, voiced: bool) -> bytes:
    return tag(number, 1, hz, voiced=voiced)


@define(eq=False)
class World:
    provider: ProviderInMemory
    manager: LLMSessionManager
    nursery: trio.Nursery
    witness: Witness
    mic_hz: int
    ledger: Ledger = field(factory=Ledger)
    person: Person | None = None
    _left: trio.Event = field(factory=trio.Event)
    _read: int = 0  # frames of this person's that are in the ledger
    _paused: int = 0  # blocks since the last voiced one
    _block: int = 0  # number of the next one from the microphone

    # --- the person --------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        self._left, self._read = trio.Event(), 0
        self.person = await self.nursery.start(self._be_connected, self._left)

    async def come_back(self, *, resumes: bool) -> None:
        await self.connect()
        assert self.person is not None
        self.ledger.came_back(resumes=resumes)
        if resumes:
            await self.person.send("resume", token=self.ledger.token, last_seq=self.ledger.seq)
        else:
            await self.start()

    async def vanish(self) -> None:
        await self.settle(None)
        self._left.set()
        self.person = None
        self.ledger.vanished()

    async def start(self) -> None:
        assert self.person is not None
        self.ledger.wants = True
        self.ledger.fell_silent()
        self.ledger.owed_from = self.ledger.utterance
        await self.person.send("start_session", input_type="audio")
        await self._microphone(QUIET, voiced=False)

    async def end(self) -> None:
        assert self.person is not None
        self.ledger.wants = False
        self.ledger.left += 1
        await self.person.send("end_session")

    async def swap(self, when: str, prompt: str) -> None:
        assert self.person is not None
        await self.person.send("swap_session", when=when, prompt=prompt)

    async def speak(self, blocks: int) -> None:
        await self._microphone(blocks, voiced=True)

    async def pause(self, blocks: int) -> None:
        await self._microphone(min(blocks, PAUSE - self._paused), voiced=False)

    async def fall_silent(self) -> None:
        self.ledger.fell_silent()
        await self._microphone(QUIET, voiced=False)

    async def _microphone(self, blocks: int, *, voiced: bool) -> None:
        assert self.person is not None
        numbers = range(self._block, self._block + blocks)
        self._paused = 0 if voiced else min(self._paused + blocks, PAUSE)
        self._block += blocks
        pcm = b"".join(_block(number, self.mic_hz, voiced) for number in numbers)
        for number in numbers if voiced else ():
            self.ledger.spoke(number)
        if not numbers:
            return
        data = pybase64.b64encode_as_string(pcm)
        await self.person.send("stream_data", input_type="audio", data=data, sample_rate=self.mic_hz)

    async def _be_connected(self, left: trio.Event, *, task_status: trio.TaskStatus[Person]) -> None:
        async with open_person(self.manager) as person:
            task_status.started(person)
            await left.wait()

    # --- the provider ------------------------------------------------------------------------------------------

    @property
    def live(self) -> list[ProviderSession]:
        return [session for session in self.provider.sessions if session.open]

    async def lose(self, which: int, how: str) -> None:
        if self.live:
            self.nursery.start_soon(_end, self.live[which % len(self.live)], how)

    def next_dials(self, refuse_status: int | None, handshake_delay_s: float) -> None:
        self.provider.behaviour = evolve(
            self.provider.behaviour, refuse_status=refuse_status, handshake_delay_s=handshake_delay_s
        )

    # --- after each step ---------------------------------------------------------------------------------------

    async def settle(self, turns: int | None) -> None:
        await let_run(turns)
        if self.person is not None:
            got = self.person.got
            while self._read < len(got):
                self._read += 1
                self.ledger.frame(got[self._read - 1])
        # The one that answers, the next one, and those that are still telling the end of what they began.
        assert len(self.live) <= 4, f"{len(self.live)} model sessions"

    async def finish(self) -> None:
        """Everything comes right again, and then it is judged."""
        self.next_dials(None, 0)
        if self.person is None:
            await self.come_back(resumes=self.ledger.wants and self.ledger.running)
        await self.settle(None)
        if self.ledger.wants:
            await self.fall_silent()
            await self.fall_silent()
            await pass_time(SETTLED_S)
            await self.settle(None)
        alive = self.ledger.wants and self.ledger.running
        # Beside the one that answers, one waits to take its place, or after a session for the next start.
        assert alive <= len(self.live) <= alive + 1, f"{len(self.live)} model sessions; the person's runs: {alive}"
        self.ledger.judge(self.witness, alive=alive)
        await self.end()
        await pass_time(KEPT_WARM_S + SETTLED_S)
        await self.settle(None)
        assert self.provider.open_sessions == 0
        assert not self.manager.is_active


async def _end(session: ProviderSession, how: str) -> None:
    with suppress(trio.ClosedResourceError, trio.BrokenResourceError):  # it is ending already
        match how:
            case "reset":
                await session.drop()
            case "close":
                await session.close(1011, "internal error")
            case _:
                await session.expire()


@asynccontextmanager
async def open_world(mic_hz: int) -> AsyncIterator[World]:
    witness = Witness()
    async with cancelled_at_the_end() as nursery:
        provider = ProviderInMemory(behaviour(), witness.watch(OpenAI), nursery)

        @asynccontextmanager
        async def connect(
            snapshot: Snapshot, mode: InputMode, lines: Sequence[Line]
        ) -> AsyncIterator[OmniRealtimeClient]:
            character = snapshot.character
            setup = Setup(character.prompt, character.voice, character.language, "gpt-realtime", lines)
            async with open_realtime(OpenAiDialect(), setup, provider.url, None, dial=provider.dial) as session:
                yield session

        manager = LLMSessionManager(NAME, configuration(), Ports(connect, lambda *_: None))
        await nursery.start(manager.run)
        world = World(provider, manager, nursery, witness, mic_hz)
        await world.connect()
        yield world
