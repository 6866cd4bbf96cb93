"""After an absence the character speaks first: once, when nobody speaks, waits or hears anything."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.conversation.absence import Absence
from neko.conversation.history import History, Role, Utterance
from neko.realtime.session import (
    AudioDelta,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    Say,
    SpeechStarted,
    SpeechStopped,
    Tell,
    TextDelta,
    UserSaid,
)
from neko.testing.person import Person, open_person
from tests.eager_house import EagerHouse, start

HOUR = 3_600.0
SECOND = bytes(2 * 24_000)  # PCM16 at 24 kHz


def talked(ago_s: float) -> Utterance:
    return Utterance(Role.ASSISTANT, "See you!", time.time() - ago_s)


def absence(ago_s: float | None) -> Absence:
    return Absence(History(kept=[] if ago_s is None else [talked(ago_s)], mark=1))


@pytest.mark.parametrize(
    ("ago_s", "bound_s", "due"),
    [(None, 900, False), (899, 900, False), (901, 900, True), (7 * 24 * HOUR, 0, False)],
)
def test_only_after_a_talk_that_is_long_ago(ago_s: float | None, bound_s: float, due: bool) -> None:
    assert absence(ago_s).ended(bound_s, time.time()) is due


@pytest.mark.parametrize(
    ("ago_s", "apart"),
    [
        (16 * 60, "16 minutes"),
        (90 * 60, "90 minutes"),
        (3.1 * HOUR, "3 hours"),
        (40 * HOUR, "40 hours"),
        (50 * HOUR, "2 days"),
    ],
)
def test_it_knows_how_long_they_were_apart_and_what_time_it_is(ago_s: float, apart: str) -> None:
    here = absence(ago_s)
    assert here.ended(900, time.time())
    now = datetime.now().astimezone()
    greeting = here.greeting(now)
    assert f"about {apart} after" in greeting
    assert f"{now:%A} " in greeting
    assert f"{now:%H:%M}" in greeting
    assert not here.due


def test_the_night_is_night() -> None:
    parts = []
    for hour in (0, 4, 5, 11, 12, 17, 18, 22, 23):
        here = absence(HOUR)
        here.ended(900, time.time())
        at = datetime.now().astimezone().replace(hour=hour)
        greeting = here.greeting(at)
        parts.append(next(part for part in ("night", "morning", "afternoon", "evening") if part in greeting))
    assert parts == ["night"] * 2 + ["morning"] * 2 + ["afternoon"] * 2 + ["evening"] * 2 + ["night"]


@pytest.fixture
def away(eager: EagerHouse) -> EagerHouse:
    """They talked two hours ago."""
    eager.mimi.history._utterances.append(talked(2 * HOUR))
    return eager


def tells(house: EagerHouse) -> list[str]:
    return [each.instructions for each in house.current.got if isinstance(each, Tell)]


async def greeting_check(person: Person) -> None:
    await person.send("greeting_check", is_switch=False, reason="startup")
    await wait_all_tasks_blocked()


async def test_who_asks_is_greeted_once_when_a_session_runs(away: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(away.mimi) as person:
        await greeting_check(person)
        await greeting_check(person)
        assert person.got == []
        await start(person)
        [asked] = tells(away)
        assert "about 2 hours" in asked
        away.current.say(ReplyStarted("r1"), TextDelta("r1", "There you are!"), ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        await greeting_check(person)
        assert len(tells(away)) == 1
        assert [frame["text"] for frame in person.of("gemini_response")] == ["There you are!"]
        assert person.of("user_activity") == []


async def test_who_does_not_ask_is_not_greeted(away: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(away.mimi) as person:
        await start(person)
        assert tells(away) == []


async def test_whoever_speaks_first_is_answered_and_not_greeted(away: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(away.mimi) as person:
        await start(person)
        away.current.say(SpeechStarted())
        await wait_all_tasks_blocked()
        await greeting_check(person)
        assert tells(away) == []
        away.current.say(SpeechStopped(), UserSaid("Hi!"), ReplyStarted("r1"), TextDelta("r1", "Hi."))
        away.current.say(ReplyDone("r1", ReplyStatus.COMPLETED))
        await trio.sleep(5)
        assert tells(away) == []


async def test_after_a_cough_the_greeting_comes(away: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(away.mimi) as person:
        await start(person)
        away.current.say(SpeechStarted())
        await wait_all_tasks_blocked()
        await greeting_check(person)
        away.current.say(SpeechStopped(), UserSaid(""))
        await trio.sleep(5)
        assert len(tells(away)) == 1


async def test_a_greeting_that_is_cut_short_does_not_come_again(away: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(away.mimi) as person:
        await greeting_check(person)
        await start(person)
        await person.send("stream_data", input_type="text", data="quick question")
        await wait_all_tasks_blocked()
        await greeting_check(person)
        assert [type(each) for each in away.current.got] == [Tell, Say]


async def speaks(house: EagerHouse, person: Person, seconds: int) -> dict[str, object]:
    """A reply that comes at once and is heard for so long."""
    deltas = [AudioDelta("r1", "i1", SECOND) for _ in range(seconds)]
    house.current.say(ReplyStarted("r1"), TextDelta("r1", "Well."), *deltas, ReplyDone("r1", ReplyStatus.COMPLETED))
    await wait_all_tasks_blocked()
    return person.of("audio_chunk")[-1]


async def test_news_waits_until_the_person_has_heard_the_reply_and_no_longer(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        begun = trio.current_time()
        await speaks(eager, person, 4)
        await eager.news("the tea is ready")
        await trio.sleep_until(begun + 3.99)
        assert tells(eager) == []
        await trio.sleep_until(begun + 4.01)
        assert len(tells(eager)) == 1


async def test_a_report_that_all_was_heard_ends_the_waiting(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        chunk = await speaks(eager, person, 4)
        await eager.news("the tea is ready")
        await person.send("playback", speech_id=chunk["speech_id"], played_ms=1_000)
        await wait_all_tasks_blocked()
        assert tells(eager) == []
        await person.send("playback", speech_id=chunk["speech_id"], played_ms=4_000)
        await wait_all_tasks_blocked()
        assert len(tells(eager)) == 1


@pytest.mark.parametrize("names_it", [True, False])
async def test_the_loudspeaker_of_an_existing_client_counts_as_well(
    eager: EagerHouse, autojump_clock: MockClock, names_it: bool
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        chunk = await speaks(eager, person, 2)
        fields = {"turnId": chunk["turn_id"]} if names_it else {}
        await trio.sleep(1.5)
        await person.send("voice_play_start", **fields)
        await wait_all_tasks_blocked()
        await eager.news("the tea is ready")
        await trio.sleep(1.9)
        assert tells(eager) == []
        await person.send("voice_play_end", **fields)
        await wait_all_tasks_blocked()
        assert len(tells(eager)) == 1


async def test_the_language_of_the_person_may_change(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        await person.send("language_update", language="ja")
        await person.send("voice_input_control", enabled=False)
        await person.send("screenshot_response", data="data:image/png;base64,AAAA")
        await wait_all_tasks_blocked()
        assert eager.mimi.language == "ja"
        assert person.codes() == []
        assert eager.current.got == []
