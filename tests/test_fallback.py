"""A provider that cannot be had: another one stands in for it, nothing is lost, and it is handed back to later."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.app.dialects import reach
from neko.config.errors import ConfigError
from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.snapshot import Snapshot
from neko.config.store import OverrideStore
from neko.nurseries.manager import LLMSessionManager
from neko.nurseries.ports import Ports
from neko.nurseries.redialling import LOSSES
from neko.protocol.client import InputMode
from neko.realtime.dialects.base import Setup
from neko.realtime.errors import Arrears, KeyRejected, ProviderError, RateLimited, SessionLost, Unreachable
from neko.realtime.omni_realtime import OmniRealtimeClient, open_realtime
from neko.realtime.session import GoOn, Line, ReplyStarted, Say, SpeechStarted, TextDelta, UserSaid
from neko.testing import DIALECTS, Behaviour, open_provider_in_memory, tag
from neko.testing.person import Person, open_person
from tests.eager_house import EagerHouse, ask, speak, start, swaps, wish

AWAY = Unreachable("nobody answers at far.example:443")
GONE = SessionLost("the provider closed the session with 1011")
CHARACTERS = """
[providers.far]
kind = "openai"
url = "ws://far.example"
[providers.near]
kind = "chat"
url = "http://near.example"
[session]
prepare = "{prepare}"
[characters.Mimi]
provider = "far"
text_provider = "near"
fallback = "local"
voice = "alloy"
"""


class FallbackHouse(EagerHouse):
    """`back` is set when the provider that is missing answers again; `missed` is what was looked for."""

    def __init__(self, folder: Path, prepare: str) -> None:
        super().__init__(folder, CHARACTERS.format(prepare=prepare))
        self.back = trio.Event()
        self.missed: list[tuple[str, InputMode, ProviderError]] = []
        ports = Ports(self.models.connect, lambda _snapshot, _mode: None, back=self._wait_for)
        self.mimi = LLMSessionManager("Mimi", self.config, ports)

    async def _wait_for(self, snapshot: Snapshot, mode: InputMode, why: ProviderError) -> None:
        self.missed.append((snapshot.provider_name, mode, why))
        await self.back.wait()

    @property
    def with_whom(self) -> str:
        snapshot = self.current.snapshot
        return snapshot.provider_name if self.current.mode is InputMode.AUDIO else snapshot.text_provider_name

    def returns(self) -> None:
        """The provider can be had again, and is found."""
        self.models.away.clear()
        self.back.set()


@pytest.fixture(params=["due", "eager"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[FallbackHouse]:
    here = FallbackHouse(tmp_path, request.param)
    async with trio.open_nursery() as nursery:
        await nursery.start(here.mimi.run)
        yield here
        nursery.cancel_scope.cancel()


def told(person: Person) -> list[str]:
    details = [json.loads(frame["message"])["details"] for frame in person.of("status")]
    return [each for each in details if "stands in" in each]


async def test_a_session_starts_with_who_stands_in(house: FallbackHouse, autojump_clock: MockClock) -> None:
    house.models.away["far"] = AWAY
    async with open_person(house.mimi) as person:
        await start(person)
        assert house.with_whom == "local"
        assert person.codes() == ["API_UNREACHABLE"]
        assert told(person) == [f"{AWAY.details}; until far is back, local stands in"]
        assert "session_started" in person.types()
        assert house.current.snapshot.character.voice == "default"
        await trio.sleep(600)
        assert len(told(person)) == 1
        assert swaps(person) == []


async def test_it_is_handed_back_at_the_end_of_a_turn(house: FallbackHouse, autojump_clock: MockClock) -> None:
    house.models.away["far"] = AWAY
    async with open_person(house.mimi) as person:
        await start(person)
        await house.turn(1)
        stand_in = house.current
        stand_in.say(SpeechStarted())
        await speak(person, 40)
        house.returns()
        await trio.sleep(2)
        assert house.current is stand_in
        stand_in.say(UserSaid("question 2"), ReplyStarted("r2"), TextDelta("r2", "answer 2"))
        await house.turn(3)
        await trio.sleep(5)
        assert house.with_whom == "far"
        assert house.current.snapshot.character.voice == "alloy"
        assert [reason for reason, _, _ in swaps(person)] == ["config"]
        assert [lost for _, _, lost in swaps(person)] == [0]
        lines = [line.text for line in house.current.primed]
        assert lines[:2] == ["question 1", "answer 1"]
        assert lines[-1] == "answer 3"
        assert len(told(person)) == 1
        assert stand_in not in house.models.live


async def test_a_loss_is_taken_over_by_who_stands_in_and_nothing_is_lost(
    house: FallbackHouse, autojump_clock: MockClock
) -> None:
    async with open_person(house.mimi) as person:
        await start(person)
        assert house.with_whom == "far"
        old = house.current
        house.models.away["far"] = AWAY
        for pending in house.pending:
            pending.say(GONE)
        old.say(SpeechStarted())
        await speak(person, 240)
        heard = len(old.heard)
        old.say(GONE)
        await speak(person, 240)
        await trio.sleep(4)
        assert house.with_whom == "local"
        assert len(house.current.heard) == heard + 240 * 48
        [(reason, gap_ms, lost_ms)] = swaps(person)
        assert (reason, lost_ms) == ("lost", 0)
        assert gap_ms <= 2_500
        assert len(told(person)) == 1


async def test_what_was_asked_is_answered_by_who_stands_in(house: FallbackHouse, autojump_clock: MockClock) -> None:
    async with open_person(house.mimi) as person:
        await start(person)
        house.models.away["far"] = Arrears("no credit left")
        await ask(person, "how are you?")
        for session in house.models.live:
            session.say(Arrears("no credit left"))
        await wait_all_tasks_blocked()
        assert house.with_whom == "local"
        assert house.current.got == [Say("how are you?")]
        assert [gap for _, gap, _ in swaps(person)] == [0]


async def test_a_story_is_gone_on_with(house: FallbackHouse, autojump_clock: MockClock) -> None:
    async with open_person(house.mimi) as person:
        await start(person)
        house.models.away["far"] = KeyRejected("no such key")
        for pending in house.pending:
            pending.say(GONE)
        house.current.say(UserSaid("a story!"), ReplyStarted("r1"), TextDelta("r1", "Once upon a time "), GONE)
        await trio.sleep(4)
        assert house.with_whom == "local"
        assert house.current.got == [GoOn()]
        assert person.of("system")[-1]["interrupted"] is True


async def test_a_provider_that_ends_each_session_at_once_is_given_up(
    house: FallbackHouse, autojump_clock: MockClock
) -> None:
    async with open_person(house.mimi) as person:
        await start(person)
        for _ in range(LOSSES + 1):
            while house.with_whom == "far":
                for session in house.models.live:
                    session.say(GONE)
                await trio.sleep(0.1)
        assert house.with_whom == "local"
        await trio.sleep(60)
        assert house.mimi.is_active
        assert len(told(person)) == 1


async def test_one_that_is_found_and_cannot_be_had_is_looked_for_again(
    house: FallbackHouse, autojump_clock: MockClock
) -> None:
    house.models.away["far"] = AWAY
    async with open_person(house.mimi) as person:
        await start(person)
        house.back.set()
        await trio.sleep(30)
        assert house.with_whom == "local"
        assert 2 <= len(house.missed) <= 30
        assert len(person.codes()) == 1
        house.models.away.clear()
        await trio.sleep(61)
        assert house.with_whom == "far"


async def test_one_that_is_lost_again_and_again_is_asked_less_and_less_often(
    house: FallbackHouse, autojump_clock: MockClock
) -> None:
    async with open_person(house.mimi) as person:
        await start(person)
        house.back.set()
        poor = Arrears("no credit left")
        for _ in range(60):
            if house.with_whom == "far":
                for session in house.models.live:
                    session.say(poor)
            await trio.sleep(30)
        returns = [reason for reason, _, _ in swaps(person)].count("config")
        assert 3 <= returns <= 16
        assert [reason for reason, _, _ in swaps(person)][: 2 * returns] == ["lost", "config"] * returns


async def test_a_changed_configuration_is_tried_at_once(house: FallbackHouse, autojump_clock: MockClock) -> None:
    house.models.away["far"] = KeyRejected("no such key")
    async with open_person(house.mimi) as person:
        await start(person)
        house.models.away.clear()
        house.config.change("Mimi", {"language": "de"})
        house.mimi.config_changed()
        await trio.sleep(1)
        assert house.with_whom == "far"
        assert [reason for reason, _, _ in swaps(person)] == ["config"]


async def test_who_stands_in_is_replaced_by_its_like_when_it_dies(
    house: FallbackHouse, autojump_clock: MockClock
) -> None:
    house.models.away["far"] = AWAY
    async with open_person(house.mimi) as person:
        await start(person)
        first = house.current
        first.say(GONE)
        await trio.sleep(1)
        assert house.current is not first
        assert house.with_whom == "local"
        assert len(told(person)) == 1


async def test_typed_sessions_have_it_too(house: FallbackHouse, autojump_clock: MockClock) -> None:
    house.models.away["near"] = RateLimited("slowly", retry_after_s=20)
    async with open_person(house.mimi) as person:
        await start(person, "text")
        assert house.with_whom == "local"
        assert house.missed == [("far", InputMode.TEXT, house.models.away["near"])]
        assert person.codes() == ["API_RATE_LIMIT"]
        house.returns()
        await trio.sleep(2)
        assert house.with_whom == "near"


async def test_a_provider_that_does_not_answer_leaves_time_for_who_stands_in(
    house: FallbackHouse, autojump_clock: MockClock
) -> None:
    house.models.silent.add("far")
    async with open_person(house.mimi) as person:
        await start(person)
        await trio.sleep(5)
        assert house.with_whom == "local"
        assert told(person) == [f"far does not answer; {Unreachable.advice}; until far is back, local stands in"]


async def test_when_nobody_can_be_had_the_start_fails_with_a_reason(
    house: FallbackHouse, autojump_clock: MockClock
) -> None:
    house.models.refusal = AWAY
    async with open_person(house.mimi) as person:
        await start(person)
        assert person.types()[-1] == "session_failed"
        assert person.codes() == ["API_UNREACHABLE"]


async def test_another_wish_is_a_wish(house: FallbackHouse, autojump_clock: MockClock) -> None:
    house.models.away["far"] = AWAY
    async with open_person(house.mimi) as person:
        await start(person)
        await wish(person, "now", provider="local")
        assert house.with_whom == "local"
        assert [reason for reason, _, _ in swaps(person)] == ["requested"]
        house.returns()
        await trio.sleep(60)
        assert house.with_whom == "local"


@pytest.mark.parametrize(
    ("fallback", "problem"),
    [
        ("far", "the provider itself; accepted: another provider that can speak"),
        ("near", "is no provider that can speak; accepted: local, far"),
        ("loca", "is no provider that can speak; did you mean local?"),
    ],
)
def test_who_cannot_stand_in_is_refused(fallback: str, problem: str) -> None:
    text = CHARACTERS.format(prepare="due").replace('fallback = "local"', f'fallback = "{fallback}"')
    with pytest.raises(ConfigError, match=r"characters\.Mimi\.fallback") as refused:
        parse(text, "neko.toml")
    assert problem in str(refused.value)


def test_typed_sessions_of_the_fallback_itself_have_nobody_to_stand_in(tmp_path: Path) -> None:
    text = CHARACTERS.format(prepare="due").replace('text_provider = "near"', 'text_provider = "local"')
    config = ConfigManager(parse(text, "neko.toml"), OverrideStore.in_folder(tmp_path))
    assert config.snapshot("Mimi").stand_in(spoken=False) is None
    spoken = config.snapshot("Mimi").stand_in(spoken=True)
    assert spoken is not None
    assert spoken.stand_in(spoken=True) is None


async def test_every_block_of_an_utterance_reaches_who_stands_in_once(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Tagged sound, from a provider of 24 kHz to one of 16 kHz, in the middle of an utterance."""
    text = CHARACTERS.format(prepare="due").replace('fallback = "local"', 'fallback = "other"')
    text += '\n[providers.other]\nkind = "qwen"\nurl = "ws://other.example"\n'
    config = ConfigManager(parse(text, "neko.toml"), OverrideStore.in_folder(tmp_path))
    listening = Behaviour(silence_ms=200, response_ms=100)
    async with (
        open_provider_in_memory(listening, DIALECTS["openai"]) as far,
        open_provider_in_memory(listening, DIALECTS["qwen"]) as other,
    ):

        @asynccontextmanager
        async def connect(snapshot: Snapshot, _: InputMode, lines: Sequence[Line]) -> AsyncIterator[OmniRealtimeClient]:
            provider = far if snapshot.provider_name == "far" else other
            reached = reach(snapshot.provider, speaks=True)
            setup = Setup("You are Mimi.", "default", "en", "sim", lines)
            async with open_realtime(reached.dialect, setup, provider.url, "key", dial=provider.dial) as session:
                yield session

        mimi = LLMSessionManager("Mimi", config, Ports(connect, lambda _snapshot, _mode: None))
        async with trio.open_nursery() as nursery:
            await nursery.start(mimi.run)
            async with open_person(mimi) as person:
                await start(person)
                for block in range(0, 100, 2):
                    if block == 50:
                        far.behaviour = Behaviour(refuse_status=503)
                        await far.sessions[0].drop()
                    data = b64encode(tag(block, 2, 24_000)).decode()
                    await person.send("stream_data", input_type="audio", data=data, sample_rate=24_000)
                    await trio.sleep(0.02)
                await person.send("stream_data", input_type="audio", data=[0] * 24_000, sample_rate=24_000)
                await trio.sleep(5)
                assert other.sessions[0].tags == list(range(100))
                assert set(far.sessions[0].tags) <= set(range(100))
                [(reason, _, lost_ms)] = swaps(person)
                assert (reason, lost_ms) == ("lost", 0)
                assert [frame["text"] for frame in person.of("user_transcript")] == ["Hello there."]
                assert person.of("system")[-1]["interrupted"] is False
            nursery.cancel_scope.cancel()
