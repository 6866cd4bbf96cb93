"""A character that hears itself from a loudspeaker neither falls silent nor answers itself; a person still cuts in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.conversation.echo import is_echo
from neko.realtime.session import (
    AudioDelta,
    Interrupt,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    SpeechStarted,
    SpeechStopped,
    Tell,
    TextDelta,
    UserSaid,
)
from neko.testing.person import Person, open_person
from tests.eager_house import EagerHouse, start

CHARACTERS = """
[session]
echo_guard = true
[characters.Mimi]
"""
STORY = "Once upon a time there was a fox who lived in the woods. "
FOUR_SECONDS = bytes(4 * 2 * 24_000)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[EagerHouse]:
    house = EagerHouse(tmp_path, CHARACTERS)
    async with trio.open_nursery() as nursery:
        await nursery.start(house.mimi.run)
        yield house
        nursery.cancel_scope.cancel()


async def listening(house: EagerHouse, person: Person) -> None:
    """The person has heard most of a story of four seconds, and is still hearing it."""
    await start(person)
    house.current.say(ReplyStarted("r1"), TextDelta("r1", STORY), AudioDelta("r1", "i1", FOUR_SECONDS))
    house.current.say(ReplyDone("r1", ReplyStatus.COMPLETED))
    await wait_all_tasks_blocked()
    await trio.sleep(3)


async def test_its_own_voice_is_not_answered_and_does_not_cut_it(house: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(house.mimi) as person:
        await listening(house, person)
        before = len(person.got)
        house.current.say(SpeechStarted(), SpeechStopped(), UserSaid("Once upon a time, there was a fox"))
        house.current.say(ReplyStarted("r2"), TextDelta("r2", "What fox?"), AudioDelta("r2", "i2", FOUR_SECONDS))
        house.current.say(ReplyDone("r2", ReplyStatus.CANCELLED))
        await wait_all_tasks_blocked()
        assert [frame["type"] for frame in person.got[before:]] == ["response_discarded"]
        assert house.current.got == [Interrupt("r2", None, running=True, heard_ms=0, heard_text="")]
        assert [said.text for said in house.mimi.history] == [STORY.strip()]


async def test_a_person_cuts_in_once_it_is_known_what_they_say(house: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(house.mimi) as person:
        await listening(house, person)
        house.current.say(SpeechStarted())
        await wait_all_tasks_blocked()
        assert person.of("user_activity") == []
        house.current.say(SpeechStopped(), UserSaid("Stop, please, I have to go now."))
        await wait_all_tasks_blocked()
        [activity] = person.of("user_activity")
        assert activity["interrupted_speech_id"] == person.of("audio_chunk")[0]["speech_id"]
        types = person.types()
        assert types.index("user_activity") < types.index("user_transcript")
        [cut] = house.current.got
        assert isinstance(cut, Interrupt)
        assert 2_900 <= cut.heard_ms <= 3_100


async def test_who_answers_before_saying_what_it_heard_is_believed(
    house: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(house.mimi) as person:
        await listening(house, person)
        house.current.say(SpeechStarted(), SpeechStopped(), ReplyStarted("r2"), TextDelta("r2", "Yes?"))
        await wait_all_tasks_blocked()
        assert len(person.of("user_activity")) == 1
        assert person.of("gemini_response")[-1]["text"] == "Yes?"


async def test_in_silence_words_are_the_persons_own(house: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(house.mimi) as person:
        await listening(house, person)
        await trio.sleep(5)
        house.current.say(SpeechStarted(), SpeechStopped(), UserSaid("Once upon a time there was a fox"))
        await wait_all_tasks_blocked()
        assert [frame["interrupted_speech_id"] for frame in person.of("user_activity")] == [None]
        assert len(person.of("user_transcript")) == 1


async def test_a_cough_cuts_nothing(house: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(house.mimi) as person:
        await listening(house, person)
        house.current.say(SpeechStarted(), SpeechStopped(), UserSaid(""), ReplyStarted("r2"))
        await wait_all_tasks_blocked()
        assert person.of("user_activity", "response_discarded") == []


async def test_after_an_echo_the_person_is_answered(house: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(house.mimi) as person:
        await listening(house, person)
        house.current.say(SpeechStarted(), SpeechStopped(), UserSaid("there was a fox who lived"))
        await trio.sleep(5)
        house.current.say(SpeechStarted(), SpeechStopped(), UserSaid("And then?"), ReplyStarted("r3"))
        house.current.say(TextDelta("r3", "It slept."), ReplyDone("r3", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert person.of("gemini_response")[-1]["text"] == "It slept."


async def test_news_that_waits_is_told_although_the_answer_to_an_echo_is_refused(
    house: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(house.mimi) as person:
        await listening(house, person)
        house.current.say(SpeechStarted(), SpeechStopped(), UserSaid("there was a fox who lived"))
        await house.news("the tea is ready")
        await trio.sleep(5)
        house.current.say(ReplyStarted("r2"), ReplyDone("r2", ReplyStatus.CANCELLED))
        await wait_all_tasks_blocked()
        told = [each for each in house.current.got if isinstance(each, Tell)]
        house.current.say(ReplyStarted("r3"), TextDelta("r3", "Tea!"), ReplyDone("r3", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert len(told) == 2  # the first one was refused with the answer to the echo
        assert len(house.mimi.pending_agent_callbacks) == 0


@pytest.mark.parametrize(
    ("heard", "said", "echo"),
    [
        ("Once upon a time there was a fox", STORY, True),
        ("once a pun a time there was a fax", STORY, True),
        ("从前有一只狐狸", "从前，有一只狐狸住在森林里。", True),
        ("むかしむかしきつねがいました", "むかしむかし、きつねがいました。", True),
        ("You said there was a fox, what colour was it?", STORY, False),
        ("a fox", STORY, False),
        ("好的", "好的，我们走吧。", False),
        ("Tell me about the bear instead", STORY, False),
        ("Once upon a time there was a fox", "", False),
        ("...", "...", False),
    ],
)
def test_what_is_an_echo(heard: str, said: str, echo: bool) -> None:
    assert is_echo(heard, said) is echo
