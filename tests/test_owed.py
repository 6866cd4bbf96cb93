"""What a person is owed: each question and each broken story is with exactly one session, however often they change."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.realtime.session import (
    GoOn,
    ModelEvent,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    Say,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    UserSaid,
)
from neko.testing.fake_model import FakeModelSession
from tests.conftest import FakeHouse
from tests.eager_house import GONE, ask, speak, start, wish

STORY = (UserSaid("a story!"), ReplyStarted("r1"), TextDelta("r1", "Once upon a time "))
CUT = ReplyDone("r1", ReplyStatus.CANCELLED)
LATE = TextDelta("r1", "there was a cat.")


def asked(house: FakeHouse, text: str) -> list[FakeModelSession]:
    """Who is there and has the question."""
    return [session for session in house.models.live if Say(text) in session.got]


@pytest.mark.parametrize("late", [CUT, LATE])
async def test_what_comes_late_of_a_cut_reply_does_not_answer_the_words_that_cut_it(
    house: FakeHouse, autojump_clock: MockClock, late: ModelEvent
) -> None:
    async with house.client() as person:
        await start(person)
        old = house.model
        old.say(*STORY)
        await wait_all_tasks_blocked()
        await ask(person, "wait!")
        old.say(late, GONE)
        await wait_all_tasks_blocked()
        assert house.model is not old
        assert asked(house, "wait!") == [house.model]


@pytest.mark.parametrize("late", [(CUT,), (LATE, CUT)])
async def test_a_swap_at_the_turn_waits_for_the_answer_to_words_that_cut_a_reply(
    house: FakeHouse, autojump_clock: MockClock, late: tuple[ModelEvent, ...]
) -> None:
    async with house.client() as person:
        await start(person)
        old = house.model
        old.say(*STORY)
        await wait_all_tasks_blocked()
        await wish(person, "turn")
        await ask(person, "wait!")
        old.say(*late)
        await speak(person, 10)
        assert asked(house, "wait!") == [old]
        old.say(ReplyStarted("r2"), TextDelta("r2", "Yes?"), ReplyDone("r2", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert person.of("gemini_response")[-1]["text"] == "Yes?"
        assert house.models.live == [house.model]
        assert house.model is not old


async def test_a_short_barge_in_is_not_taken_for_answered_by_the_reply_it_cut(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as person:
        await start(person)
        house.model.say(*STORY)
        await wait_all_tasks_blocked()
        await speak(person, 100)
        house.model.say(SpeechStarted(), SpeechStopped(), CUT, GONE)
        await wait_all_tasks_blocked()
        assert bytes(house.model.heard) == bytes([7, 0] * 2_400)


async def test_typed_words_are_still_asked_after_the_reply_that_they_call_off(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    """The answer to what was spoken begins when the typed words are on their way, and has no word yet."""
    async with house.client() as person:
        await start(person)
        old = house.model
        old.say(SpeechStarted())
        await wait_all_tasks_blocked()
        await ask(person, "and this?")
        await wish(person, "turn")
        old.say(SpeechStopped(), UserSaid("what is that?"), ReplyStarted("r1"), ReplyDone("r1", ReplyStatus.CANCELLED))
        await wait_all_tasks_blocked()
        assert asked(house, "and this?") == [old]
        assert person.of("neko.session_swapped") == []
        old.say(ReplyStarted("r2"), TextDelta("r2", "This is it."), ReplyDone("r2", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert [frame["from"] for frame in person.of("neko.session_swapped")] == [old.id]


async def test_a_story_is_gone_on_with_after_a_second_loss(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await start(person)
        house.model.say(*STORY, GONE)
        await trio.sleep(1)
        second = house.model
        assert second.got == [GoOn()]
        second.say(GONE)  # before its first word
        await trio.sleep(1)
        assert house.model is not second
        assert house.model.got == [GoOn()]


async def test_a_story_is_gone_on_with_before_another_voice_speaks(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await start(person)
        house.model.say(*STORY, GONE)
        await wait_all_tasks_blocked()
        second = house.model
        await wish(person, "turn")
        assert second.got == [GoOn()]
        assert person.of("neko.session_swapped")[-1]["to"] == second.id
        second.say(ReplyStarted("r2"), TextDelta("r2", "there was a cat."), ReplyDone("r2", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert house.models.live == [house.model]
        assert house.model.got == []


async def test_a_question_is_not_answered_by_the_old_session_and_the_new(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as person:
        await start(person)
        old = house.model
        await ask(person, "What is new?")
        old.say(ReplyStarted("r1"))  # no word of it yet
        await wait_all_tasks_blocked()
        await wish(person, "now")
        assert house.model is not old
        assert asked(house, "What is new?") == [house.model]


async def test_words_that_cut_a_reply_are_not_lost_with_the_session_that_is_told_of_the_cut(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as person:
        await start(person)
        old = house.model
        old.say(*STORY)
        await wait_all_tasks_blocked()
        old.open = False  # whoever writes is the first to learn it
        await ask(person, "wait!")
        await trio.sleep(1)
        assert house.model is not old
        assert asked(house, "wait!") == [house.model]
