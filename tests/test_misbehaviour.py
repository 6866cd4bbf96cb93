"""Every misbehaviour of the simulator, in every dialect, under a conversation: what the person is told, that the
conversation goes on, and that nothing stays open. The WebSocket protocol is real, the streams are in memory.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import evolve, frozen
from trio.testing import MockClock

from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.snapshot import Snapshot
from neko.config.store import OverrideStore
from neko.nurseries.manager import LLMSessionManager
from neko.nurseries.ports import Ports
from neko.nurseries.session import START_WITHIN
from neko.protocol.client import InputMode
from neko.realtime.dialects.base import Setup
from neko.realtime.errors import (
    Arrears,
    KeyRejected,
    PolicyViolation,
    ProtocolBroken,
    ProviderError,
    RateLimited,
    Unreachable,
)
from neko.realtime.omni_realtime import OmniRealtimeClient, open_realtime
from neko.realtime.session import Line
from neko.testing import Behaviour, ProviderInMemory, ProviderSession, open_provider_in_memory
from neko.testing.person import Person, open_person
from tests.kinds import GA, KINDS, dialect_of, simulator

CONFIGURATION = """
[providers.far]
kind = "openai"
url = "ws://simulator"
[session]
prepare = "due"
silence_s = 5
[characters.Mimi]
provider = "far"
"""
WELL = Behaviour(response_ms=200, silence_ms=100, replies=("Nice to meet you.",))
PACED = Behaviour(response_ms=2_000, paced=True, silence_ms=100, replies=("Once upon a time there was a cat.",))
OVER = "another session takes over"


@frozen
class Play:
    """One person at one provider of one kind."""

    kind: str
    provider: ProviderInMemory
    person: Person

    async def start(self) -> None:
        await self.person.send("start_session", input_type="audio")
        await trio.sleep(START_WITHIN + 0.5)

    async def ask(self, text: str = "Hello?", wait_s: float = 4.0) -> None:
        await self.person.send("stream_data", input_type="text", data=text)
        await trio.sleep(wait_s)

    @property
    def first(self) -> ProviderSession:
        return self.provider.sessions[0]

    def statuses(self) -> list[tuple[str, str]]:
        raw = [json.loads(frame["message"]) for frame in self.person.of("status")]
        return [(each["code"], each["details"]) for each in raw]

    def swapped(self) -> list[tuple[str, float, bool]]:
        return [(f["reason"], f["lost_ms"], f["state_restored"]) for f in self.person.of("neko.session_swapped")]

    def ends(self) -> list[bool]:
        """Of the turns that have ended: whether they were interrupted."""
        return [frame["interrupted"] for frame in self.person.of("system")]

    def said(self) -> str:
        return "".join(frame["text"] for frame in self.person.of("gemini_response"))

    def lost_once(self, code: str, *words: str) -> None:
        """One session has ended, the person knows why, and another one has taken its place."""
        [(told, details)] = self.statuses()
        assert told == code
        assert details.endswith(OVER)
        for each in words:
            assert each.lower() in details.lower()
        assert self.swapped() == [("lost", 0, True)]
        assert len(self.provider.sessions) == 2
        assert self.provider.sessions[1].open

    def answered(self) -> None:
        """Each question has an answer, and each answer one end."""
        assert self.ends()[-1:] == [False]
        assert self.said().endswith(("Nice to meet you.", "there was a cat."))


@asynccontextmanager
async def playing(kind: str, behaviour: Behaviour, folder: Path) -> AsyncIterator[Play]:
    """The first session meets this behaviour; after it, nothing is left open."""
    config = ConfigManager(parse(CONFIGURATION, "neko.toml"), OverrideStore.in_folder(folder))
    async with open_provider_in_memory(behaviour, simulator(kind)) as provider:

        @asynccontextmanager
        async def connect(
            snapshot: Snapshot, mode: InputMode, lines: Sequence[Line]
        ) -> AsyncIterator[OmniRealtimeClient]:
            setup = Setup("You are a cat.", "default", "en", "sim", lines)
            async with open_realtime(dialect_of(kind), setup, provider.url, "key", dial=provider.dial) as session:
                provider.behaviour = WELL
                yield session

        manager = LLMSessionManager("Mimi", config, Ports(connect, lambda _snapshot, _mode: None))
        async with trio.open_nursery() as nursery:
            await nursery.start(manager.run)
            async with open_person(manager) as person:
                yield Play(kind, provider, person)
                await person.leave()
            with trio.fail_after(5):
                await provider.sockets(0)
            nursery.cancel_scope.cancel()


Check = Callable[[Play], Awaitable[None]]


def failed_start(code: str, *words: str) -> Check:
    async def check(play: Play) -> None:
        await play.start()
        [(told, details)] = play.statuses()
        assert told == code
        for each in words:
            assert each.lower() in details.lower()
        assert play.person.types()[-1] == "session_failed"
        assert play.provider.open_sessions == 0

    return check


def lost(how: Callable[[ProviderSession], Awaitable[None]], code: str, *words: str) -> Check:
    """A question, then the provider's session ends in this way, then another question."""

    async def check(play: Play) -> None:
        await play.start()
        await play.ask()
        await how(play.first)
        await trio.sleep(12)
        play.lost_once(code, *words)
        await play.ask("Are you there?")
        play.answered()

    return check


def closes(code: int, reason: str = "oops") -> Callable[[ProviderSession], Awaitable[None]]:
    async def close(session: ProviderSession) -> None:
        await session.close(code, reason)

    return close


async def limited(play: Play) -> None:
    """The reply fails, or, with Google, the session."""
    await play.start()
    await play.ask()
    assert {code for code, _ in play.statuses()} == {"API_RATE_LIMIT"}
    assert "or raise the limit with the provider" in play.statuses()[0][1]
    await play.ask("Are you there?")
    assert "session_ended_by_server" not in play.person.types()


async def goes_away(play: Play) -> None:
    """An end that is announced, by Google in time and by OpenAI from the start, is renewed before it comes."""
    await play.start()
    await play.ask()
    await trio.sleep(60)
    if play.kind in ("gemini", *GA):
        assert play.swapped() == [("expires", 0, True)]
        assert play.statuses() == []
    else:
        play.lost_once("API_UNREACHABLE")
    await play.ask("Are you there?")
    play.answered()


async def mute(play: Play) -> None:
    """Pings are answered; a question is not."""
    await play.start()
    await play.ask(wait_s=12)
    play.lost_once("API_UNREACHABLE", "has not answered for 5 s")
    play.answered()


async def half_open(play: Play) -> None:
    await play.start()
    await play.first.deafen()
    await trio.sleep(20)
    play.lost_once("API_UNREACHABLE", "has not answered for 5 s")
    await play.ask()
    play.answered()


async def dropped(play: Play) -> None:
    """What has come of the reply is heard, and the next session goes on with it."""
    await play.start()
    await play.ask(wait_s=6)
    play.lost_once("API_UNREACHABLE", "connection broke")
    assert play.ends() == [True, False]
    play.answered()


async def unharmed(play: Play) -> None:
    await play.start()
    for question in range(2):
        await play.ask(f"Question {question}", wait_s=6)
    assert play.statuses() == []
    assert play.ends() == [False, False]
    assert play.said() == "Nice to meet you." * 2
    assert len(play.provider.sessions) == 1
    play.answered()


async def garbled(play: Play) -> None:
    """One event is broken: what it said is lost, and nothing else."""
    await play.start()
    await play.ask()
    assert play.statuses() == []
    assert len(play.ends()) == 1
    await play.ask("Are you there?")
    assert play.ends()[-1] is False
    assert len(play.provider.sessions) == 1


OPENING = {"gemini": 1, "glm": 3}  # events until a session is set up; two of all others
MISBEHAVIOURS: dict[str, tuple[Behaviour, Check]] = {
    "slow handshake": (Behaviour(handshake_delay_s=3600), failed_start("SESSION_START_FAILED", "not ready within 9 s")),
    "refused key": (Behaviour(refuse_status=401), failed_start("API_KEY_REJECTED", "HTTP 401", KeyRejected.advice)),
    "no credit": (Behaviour(refuse_status=402), failed_start("API_ARREARS", "HTTP 402", Arrears.advice)),
    "too many": (
        Behaviour(refuse_status=429, retry_after_s=7),
        failed_start("API_RATE_LIMIT", "HTTP 429", "try again in 7 s"),
    ),
    "busy": (Behaviour(refuse_status=503), failed_start("API_UNREACHABLE", "HTTP 503", Unreachable.advice)),
    "rate limit": (Behaviour(replies_until_limit=0, silence_ms=100), limited),
    "expired": (WELL, lost(ProviderSession.expire, "API_UNREACHABLE")),
    "goes away": (Behaviour(expires_after_s=70.3, go_away_s=50, response_ms=200), goes_away),
    "mute": (WELL, mute),
    "half open": (WELL, half_open),
    "garbage": (WELL, garbled),
    "1007": (WELL, lost(closes(1007), "API_UNKNOWN_ERROR", "1007 oops", ProtocolBroken.advice)),
    "1008": (WELL, lost(closes(1008), "API_POLICY_VIOLATION", "1008 oops", PolicyViolation.advice)),
    "1011": (WELL, lost(closes(1011), "API_UNREACHABLE", "1011 oops")),
    "drop": (PACED, dropped),
    "slow pongs": (WELL, unharmed),
    "no response.created": (WELL, unharmed),
    "late response.done": (WELL, unharmed),
}


def as_behaviour(name: str, kind: str, behaviour: Behaviour) -> Behaviour:
    """What is counted in events depends on the dialect."""
    opening = OPENING.get(kind, 2)
    match name:
        case "mute":
            return evolve(behaviour, silent_after=opening)
        case "garbage":
            return evolve(behaviour, garbage_after=opening + 2)
        case "drop":
            return evolve(behaviour, drops_after_ms=200)
        case "slow pongs":
            return evolve(behaviour, pong_delay_s=2.0)
        case "no response.created":
            return evolve(behaviour, omits=frozenset({"response.created"}))
        case "late response.done":
            return evolve(behaviour, done_after_s=1.5)
        case _:
            return behaviour


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MISBEHAVIOURS)
async def test_the_conversation_outlives_it_or_the_person_knows_why(
    kind: str, name: str, tmp_path: Path, autojump_clock: MockClock
) -> None:
    behaviour, check = MISBEHAVIOURS[name]
    async with playing(kind, as_behaviour(name, kind, behaviour), tmp_path) as play:
        await check(play)


def test_errors_are_told_apart() -> None:
    """Each of these has a sentence of its own about what to do."""
    kinds: list[type[ProviderError]] = [Arrears, KeyRejected, PolicyViolation, ProtocolBroken, RateLimited, Unreachable]
    assert len({kind.advice for kind in kinds}) == len(kinds)
