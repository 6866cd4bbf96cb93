"""A session that takes over needs a second to be told: whatever happens in that second, nothing is lost or doubled."""

from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.realtime.session import (
    Expiring,
    GoOn,
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
from tests.conftest import FakeHouse
from tests.eager_house import GONE, EagerHouse, ask, speak, start, wish

STORY = (UserSaid("a story!"), ReplyStarted("s1"), TextDelta("s1", "Once upon a time "))


async def begin_swap(eager: EagerHouse, person: Person) -> None:
    """Half a second into the take-over."""
    eager.models.takes_s = 1.0
    await wish(person, "now")
    await trio.sleep(0.5)


async def test_a_limit_that_comes_nearer_does_not_cost_the_session_that_takes_over(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        old, [prepared] = eager.current, eager.pending
        prepared.takes_s = 1.0
        for number in range(3):
            await eager.turn(number)
        assert eager.current is old
        old.say(Expiring(20.0))
        await trio.sleep(1.5)
        assert eager.current is prepared
        assert prepared.open


async def test_a_second_wish_is_met_whatever_becomes_of_the_first(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await start(person)
        await ask(person, "hello?")
        house.models.takes_s, house.models.close_s = 3.0, 2.0
        await wish(person, "now", voice="calm")
        house.models.takes_s = 0.0
        await trio.sleep(0.5)
        await wish(person, "now", voice="loud")
        await trio.sleep(6)
        assert person.codes() == []
        assert house.models.live == [house.model]
        assert house.model.snapshot.character.voice == "loud"
        assert house.model.got == [Say("hello?")]


async def test_an_old_session_that_is_lost_meanwhile_is_gone_on_with_once(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        old = eager.current
        await speak(person, 100)
        old.say(*STORY)
        await wait_all_tasks_blocked()
        await begin_swap(eager, person)
        old.say(GONE)
        await trio.sleep(6)
        assert eager.current.snapshot.character.voice == "calm"
        assert eager.current.got == [GoOn()]


async def test_what_a_lost_session_had_said_is_known_to_the_one_that_goes_on(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        await eager.turn(1)
        old, [prepared] = eager.current, eager.pending
        old.say(*STORY)
        await wait_all_tasks_blocked()
        prepared.takes_s = 1.0
        old.say(Expiring(0.5))
        await trio.sleep(0.9)
        old.say(GONE)
        await trio.sleep(6)
        assert eager.current is prepared
        told = [line.text.strip() for line in prepared.primed]
        assert told == ["question 1", "answer 1", "a story!", "Once upon a time"]
        assert prepared.got == [GoOn()]


async def test_an_old_session_that_begins_to_answer_meanwhile_does_not_answer(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        old = eager.current
        await ask(person, "what is new?")
        await begin_swap(eager, person)
        old.say(ReplyStarted("r1"), TextDelta("r1", "Well, "))
        await trio.sleep(3)
        assert person.of("gemini_response") == []
        assert [each for each in eager.models.live if Say("what is new?") in each.got] == [eager.current]


async def test_news_that_fails_with_the_old_session_meanwhile_is_told_once(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        old = eager.current
        await eager.news("the tea is ready")
        await begin_swap(eager, person)
        old.say(ReplyStarted("r1"), ReplyDone("r1", ReplyStatus.FAILED))
        await trio.sleep(3)
        new = eager.current
        assert new is not old
        new.say(ReplyStarted("r2"), TextDelta("r2", "Your tea!"), ReplyDone("r2", ReplyStatus.COMPLETED))
        await trio.sleep(3)
        assert [type(each) for each in new.got] == [Tell]


async def test_sound_is_made_use_of_once_though_the_old_session_answers_meanwhile(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        old = eager.current
        await speak(person, 500)
        old.say(SpeechStarted(), SpeechStopped())
        await wait_all_tasks_blocked()
        await begin_swap(eager, person)
        old.say(UserSaid("hi"), ReplyStarted("r1"), TextDelta("r1", "Hi."))
        await trio.sleep(3)
        new = eager.current
        new.say(SpeechStarted(), SpeechStopped(), UserSaid("hi"), ReplyStarted("r2"), TextDelta("r2", "Hi."))
        new.say(ReplyDone("r2", ReplyStatus.COMPLETED))
        await trio.sleep(3)
        await person.send("end_session")
        await trio.sleep(30)
        assert {fate: ms for fate, ms in eager.mimi.ledger.heard_ms.items() if ms} == {"utterance": 500}


async def test_a_session_that_was_told_the_half_is_not_the_next_start_s(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        old, [prepared] = eager.current, eager.pending
        await ask(person, "what is new?")
        prepared.takes_s = 1.0
        old.say(Expiring(0.5))  # forces the swap while the question is open
        await trio.sleep(1.0)
        assert prepared.got == []
        await person.send("end_session")
        await start(person)
        assert eager.current is not prepared
        eager.current.say(GONE)
        await wait_all_tasks_blocked()
        assert eager.current.got == []
