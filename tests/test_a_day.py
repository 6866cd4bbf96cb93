"""A day of talk with each provider, in virtual time: every limit is met, and nothing is lost at any of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from math import inf
from pathlib import Path
from random import Random

import pybase64
import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from neko.app.dialects import reach
from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.snapshot import Snapshot
from neko.config.store import OverrideStore
from neko.conversation.renewal import FULL, WINDOW_S, WINDOW_SHARE
from neko.nurseries.manager import LLMSessionManager
from neko.nurseries.ports import Ports
from neko.protocol.client import InputMode
from neko.realtime.dialects.base import Setup
from neko.realtime.dialects.glm import REMEMBERS_S
from neko.realtime.omni_realtime import open_realtime
from neko.realtime.session import Line, ModelSession
from neko.testing import (
    DIALECTS,
    Behaviour,
    Party,
    ProviderInMemory,
    TagReader,
    open_provider_in_memory,
    silence,
    tag,
    with_real_limits,
)
from neko.testing.person import Person, open_person

DAY_S = 24 * 3600.0
HZ = 24_000
FRAME = 2  # blocks of 10 ms
SPOKEN, QUIET = 16, 30  # blocks of an utterance, and of the silence after it
ANSWER_MS = 120
SWAP_DEADLINE_S = 5.0
TURN_S = 1.0  # at most: the person's part goes at once, as does the character's
CHARACTERS = """
[providers.sim]
kind = "{kind}"
url = "ws://simulator"
model = "simulated"

[characters.Mimi]
provider = "sim"
[characters.Mimi.session]
max_turns = 0
idle_end_s = 0
"""


@define
class Talk:
    """One person who talks for a day; `spoken` are the blocks of each utterance."""

    person: Person
    numbers: count[int] = field(factory=lambda: count(1))
    spoken: list[int] = field(factory=list)
    turns: int = 0
    answered_at: list[float] = field(factory=list)

    async def utter(self) -> None:
        blocks = [next(self.numbers) for _ in range(SPOKEN)]
        await self._send(tag(blocks[0], SPOKEN, HZ) + silence(QUIET, HZ))
        self.spoken += blocks
        self.turns += 1
        with trio.fail_after(60):
            while len(self.person.of("system")) < self.turns:
                await self.person.arrival()
        self.answered_at.append(trio.current_time())

    async def _send(self, pcm: bytes) -> None:
        size = FRAME * HZ // 100 * 2
        for at in range(0, len(pcm), size):
            data = pybase64.b64encode_as_string(pcm[at : at + size])
            await self.person.send("stream_data", input_type="audio", data=data, sample_rate=HZ)

    def heard(self) -> list[int]:
        """The blocks of the character's speech, in order."""
        reader, found = TagReader(48_000), []
        for frame in self.person.of("audio_chunk"):
            found += reader.push(pybase64.b64decode(frame["audio"]))
        return found


@asynccontextmanager
async def character(provider: ProviderInMemory, kind: str, folder: Path) -> AsyncIterator[LLMSessionManager]:
    @asynccontextmanager
    async def connect(snapshot: Snapshot, _: InputMode, lines: Sequence[Line]) -> AsyncIterator[ModelSession]:
        reached = reach(snapshot.provider, speaks=True)
        setup = Setup(snapshot.character.prompt, "default", "en", reached.model, lines)
        async with open_realtime(reached.dialect, setup, provider.url, "key", dial=provider.dial) as session:
            yield session

    config = ConfigManager(parse(CHARACTERS.format(kind=kind), "neko.toml"), OverrideStore.in_folder(folder))
    manager = LLMSessionManager("Mimi", config, Ports(connect, lambda _snapshot, _mode: None))
    async with trio.open_nursery() as nursery:
        await nursery.start(manager.run)
        yield manager
        nursery.cancel_scope.cancel()


def swaps_in_a_day(life_s: float | None, warns_s: float | None, late_s: float = 0.0) -> int:
    """What the policy comes to when the next session is connected just before it takes over.

    `warns_s`: how long before its end a session says so. `late_s`: how long each swap waits for the end of a turn.
    """
    if life_s is None:
        return 0
    first = life_s - min(WINDOW_S, WINDOW_SHARE * life_s, warns_s or inf)
    return 1 + int((DAY_S - first) / (first - SWAP_DEADLINE_S + late_s))


def swaps_of_the_forgetful(answered_at: Sequence[float], end: float) -> int:
    """A model that remembers two minutes is exchanged 90 s after the first answer that it gave."""
    swaps, next_at = 0, -inf
    for at in answered_at:
        if at > next_at:
            swaps, next_at = swaps + 1, at + FULL * REMEMBERS_S
    return swaps - (next_at > end)


@pytest.mark.slow
@pytest.mark.timeless
@pytest.mark.parametrize("kind", sorted(DIALECTS))
async def test_a_day_of_talk(kind: str, tmp_path: Path, autojump_clock: MockClock) -> None:
    dialect, random = DIALECTS[kind], Random(kind)
    behaviour = with_real_limits(Behaviour(silence_ms=100, response_ms=ANSWER_MS), dialect)
    async with (
        open_provider_in_memory(behaviour, dialect) as provider,
        character(provider, kind, tmp_path) as manager,
        open_person(manager) as person,
    ):
        await person.send("start_session", input_type="audio")
        talk, begin = Talk(person), trio.current_time()
        while (now := trio.current_time() - begin) < DAY_S:
            await talk.utter()
            await trio.sleep(min(random.uniform(20, 700), max(0.0, DAY_S - now)))
        await person.send("end_session")
        await trio.sleep(60)

        swaps = person.of("neko.session_swapped")
        if kind == "glm":
            assert {frame["reason"] for frame in swaps} == {"context"}
            assert len(swaps) == swaps_of_the_forgetful(talk.answered_at, begin + DAY_S)
        else:
            assert {frame["reason"] for frame in swaps} <= {"expires"}
            limits = dialect.max_session_s, dialect.go_away_s
            assert swaps_in_a_day(*limits, TURN_S) <= len(swaps) <= swaps_in_a_day(*limits)
        assert [frame for frame in swaps if frame["lost_ms"] or frame["gap_ms"]] == []
        assert sorted(block for session in provider.sessions for block in session.tags) == talk.spoken
        assert all(session.tags == sorted(session.tags) for session in provider.sessions)
        assert talk.heard() == list(range(talk.turns * ANSWER_MS // 10))
        assert provider.open_sessions == 0
        assert {session.ended.by for session in provider.sessions if session.ended} == {Party.CLIENT}
