"""One character on pretended providers, and one person who talks to it: each method is a step of a script."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from itertools import count

import pybase64
import trio
from attrs import define, field

from neko.nurseries.manager import LLMSessionManager
from neko.nurseries.ports import Ports
from neko.nurseries.takeover import RETIRE_WITHIN
from neko.testing.person import Person
from neko.testing.tagged import tag
from tests.fuzz.client import Line, open_person
from tests.fuzz.ledger import Ledger, only_what_left
from tests.fuzz.stage import cancelled_at_the_end, let_run, pass_time
from tests.fuzz.vendors import NAME, Vendors, configuration, end_badly
from tests.fuzz.verdict import Verdict
from tests.fuzz.witness import Witness

STALLED_AT_MOST_S = 0.5  # who does not read for longer is hung up on
STALE_S = 0.15  # a reply here lasts longer: all of what waits so long is still to be heard
PAUSE = 4  # blocks at most within an utterance: far enough from its end for any resampling
QUIET = 20  # blocks that end it, whatever the resampler still holds back
KEPT_WARM_S = 20.0
DEAF_FOR_S = 20.0  # by then a provider that does not answer a ping is known to be gone
SETTLED_S = RETIRE_WITHIN + 6  # a retired session is gone, a lost one replaced or given up


@cache
def _block(number: int, hz: int, voiced: bool) -> bytes:
    return tag(number, 1, hz, voiced=voiced)


@define(eq=False)
class World:
    vendors: Vendors
    manager: LLMSessionManager
    nursery: trio.Nursery
    witness: Witness
    mic_hz: int
    ledger: Ledger = field(factory=Ledger)
    person: Person | None = None
    _left: trio.Event = field(factory=trio.Event)
    _read: int = 0  # frames of this person's that are in the ledger
    _line: Line = field(factory=Line)
    _questions: count[int] = field(factory=lambda: count(1))
    _news: count[int] = field(factory=lambda: count(1))
    _paused: int = 0  # blocks since the last voiced one
    _block: int = 0  # number of the next one from the microphone

    # --- the person --------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        self._left, self._read, self._line = trio.Event(), 0, Line()
        self.person = await self.nursery.start(self._be_connected, self._left, self._line)

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
        self.ledger.began(self._block)
        await self.person.send("start_session", input_type="audio")
        await self._microphone(QUIET, voiced=False)

    async def end(self) -> None:
        assert self.person is not None
        self.ledger.wants = False
        self.ledger.left += 1
        await self.person.send("end_session")

    async def swap(self, when: str, **wish: str) -> None:
        assert self.person is not None
        if self._speaks and wish.get("provider") == "gemini" and "typed" in self.ledger.story:
            return  # an open fault: there the answer to typed words counts for the speech beside them
        await self.person.send("swap_session", when=when, **wish)

    async def type(self) -> None:
        """In the middle of what is said; an utterance ends where the typed words cut in."""
        assert self.person is not None
        number = next(self._questions)
        self.ledger.typed()
        await self.person.send("stream_data", input_type="text", data=f"Question {number}?", request_id=f"q{number}")

    async def stall(self) -> None:
        await self.settle(None)
        self._line.stall()

    async def read_on(self) -> None:
        """What was cut while the person did not read is taken back; a speech that would be over by then is not cut."""
        await self.settle(None)
        self._line.read_on()
        before = self._read
        await self.settle(None)
        if self.person is not None and trio.current_time() - self._line.stalled_at < STALE_S:
            only_what_left([frame["type"] for frame in self.person.got[before : self._read]])

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

    async def _be_connected(self, left: trio.Event, line: Line, *, task_status: trio.TaskStatus[Person]) -> None:
        async with open_person(self.manager, line) as person:
            task_status.started(person)
            await left.wait()

    # --- the rest of the world ---------------------------------------------------------------------------------

    @property
    def may_ask(self) -> bool:
        """Not before the last question is answered, which the next would be refused for; and nothing in the middle of
        speech that a vendor does not tell: the answer would count for both."""
        return not self._asks and not (self._speaks and self.vendors.some_tell_no_speech)

    @property
    def may_speak(self) -> bool:
        return not (self._asks and self.vendors.some_tell_no_speech)

    @property
    def _speaks(self) -> bool:
        return self.ledger.utterance in self.ledger.utterance_of.values()

    @property
    def _asks(self) -> bool:
        return self.ledger.waits or bool(self.manager.pending_agent_callbacks)

    async def wait(self, seconds: float) -> None:
        if seconds > STALLED_AT_MOST_S:
            self._line.read_on()
        await pass_time(seconds)

    async def bring_news(self) -> None:
        self.manager.pending_agent_callbacks.append(f"news-{next(self._news)}")
        await self.manager.trigger_agent_callbacks()

    async def lose(self, which: int, how: str) -> None:
        """Who has turned deaf is found out before anybody speaks again: until then nothing said is safe."""
        live = self.vendors.live
        if live:
            self.nursery.start_soon(end_badly, live[which % len(live)], how)
            if how == "deafen":
                self._line.read_on()
                await pass_time(DEAF_FOR_S)

    # --- after each step ---------------------------------------------------------------------------------------

    async def settle(self, turns: int | None) -> None:
        await let_run(turns)
        if self.person is not None:
            got = self.person.got
            while self._read < len(got):
                self._read += 1
                self.ledger.frame(got[self._read - 1], len(self.witness.heard))
        # The one that answers, the next one, and those that are still telling the end of what they began.
        assert len(self.vendors.live) <= 4, f"{len(self.vendors.live)} model sessions"

    async def finish(self) -> None:
        """Everything comes right again, and then it is judged."""
        self.vendors.next_dials(None, 0)
        self._line.read_on()
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
        assert alive <= len(self.vendors.live) <= alive + 1, (
            f"{len(self.vendors.live)} model sessions; the person's runs: {alive}"
        )
        Verdict(self.ledger, self.witness).pass_on(alive=alive)
        waits = len(self.manager.pending_agent_callbacks)
        assert not (alive and waits), f"{waits} results of agents are not told"
        await self.end()
        await pass_time(KEPT_WARM_S + SETTLED_S)
        await self.settle(None)
        assert self.vendors.sockets == 0
        assert not self.manager.is_active


@asynccontextmanager
async def open_world(mic_hz: int, first: str) -> AsyncIterator[World]:
    witness = Witness()
    async with cancelled_at_the_end() as nursery:
        vendors = Vendors(witness, nursery)
        manager = LLMSessionManager(NAME, configuration(first), Ports(vendors.connect, lambda *_: None))
        await nursery.start(manager.run)
        world = World(vendors, manager, nursery, witness, mic_hz)
        await world.connect()
        yield world
