"""One model session takes the place of another, on request or because the other is gone: nothing is lost or doubled."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.audio.resample import SpeechResampler
from neko.nurseries.inbox import JOINED_S
from neko.nurseries.redialling import LOSSES
from neko.realtime.errors import SessionLost, Unreachable
from neko.realtime.session import (
    AudioDelta,
    GoOn,
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
from neko.testing.person import Person
from tests.conftest import FakeHouse

HZ = 24_000
BLOCK = HZ // 100  # 10 ms
GONE = SessionLost("the provider closed with 1011")


async def talk(person: Person, first: int, count: int) -> None:
    """So many blocks of 10 ms, each filled with its own number."""
    for number in range(first, first + count):
        await person.send("stream_data", input_type="audio", data=[number] * BLOCK, sample_rate=HZ)
    await wait_all_tasks_blocked()


def blocks(session: FakeModelSession) -> list[int]:
    """The numbers of the blocks that the session heard, in order."""
    heard = array("h", bytes(session.heard))
    assert len(heard) % BLOCK == 0
    return [heard[at] for at in range(0, len(heard), BLOCK)]


def swapped(person: Person) -> dict[str, Any]:
    [frame] = person.of("neko.session_swapped")
    return frame


async def start(house: FakeHouse, person: Person, kind: str = "audio") -> FakeModelSession:
    await person.send("start_session", input_type=kind)
    await wait_all_tasks_blocked()
    return house.model


async def test_an_utterance_in_progress_is_given_to_the_next_session(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as person:
        old = await start(house, person)
        await talk(person, 1, 20)
        old.say(SpeechStarted())
        await talk(person, 21, 30)
        house.models.dial_s = 0.5
        old.say(GONE)
        await wait_all_tasks_blocked()
        await talk(person, 51, 30)  # while the next one is being dialled
        await trio.sleep(1)
        await talk(person, 81, 20)
        await trio.sleep(2 * JOINED_S)
        assert house.model is not old
        assert blocks(house.model) == list(range(1, 101))
        frame = swapped(person)
        assert (frame["reason"], frame["from"], frame["to"]) == ("lost", old.id, house.model.id)
        assert (frame["gap_ms"], frame["lost_ms"], frame["state_restored"]) == (500, 0, True)
        assert len(house.models.live) == 1


async def test_sound_that_had_to_be_dropped_is_told(house: FakeHouse, autojump_clock: MockClock) -> None:
    """Eight seconds of speech while another session is dialled, of which five are kept."""
    async with house.client("Taro") as person:
        old = await start(house, person)
        old.say(SpeechStarted())
        house.models.dial_s = 9
        old.say(GONE)
        await wait_all_tasks_blocked()
        await talk(person, 1, 800)
        await trio.sleep(10)
        assert blocks(house.model) == list(range(301, 801))
        assert swapped(person)["lost_ms"] == 3000


async def test_what_was_answered_is_not_given_again(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        old = await start(house, person)
        await talk(person, 1, 50)
        old.say(SpeechStarted())
        await talk(person, 51, 50)
        old.say(SpeechStopped(800), UserSaid("hello"), ReplyStarted("r1"), TextDelta("r1", "Hi."))
        old.say(ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        old.say(GONE)
        await wait_all_tasks_blocked()
        assert blocks(house.model) == list(range(81, 101))
        assert [line.text for line in house.model.primed][-2:] == ["hello", "Hi."]
        assert house.model.got == []
        assert swapped(person)["gap_ms"] == 0


async def test_a_committed_utterance_that_nobody_answered_is_given_again(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as person:
        old = await start(house, person)
        old.say(SpeechStarted())
        await talk(person, 1, 100)
        old.say(SpeechStopped(900), GONE)
        await wait_all_tasks_blocked()
        assert blocks(house.model) == list(range(1, 101))


async def test_a_typed_question_that_was_not_answered_is_asked_again_once(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as person:
        old = await start(house, person, "text")
        await person.send("stream_data", input_type="text", data="What is new?", request_id="q1")
        await wait_all_tasks_blocked()
        old.say(GONE)
        await wait_all_tasks_blocked()
        assert house.model.got == [Say("What is new?", "q1")]
        assert "What is new?" not in [line.text for line in house.model.primed]
        assert [u.text for u in house.managers["Mimi"].history] == ["What is new?"]


async def test_a_reply_that_broke_off_is_gone_on_with(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        old = await start(house, person)
        old.say(UserSaid("a story!"), ReplyStarted("r1"), TextDelta("r1", "Once upon a time "))
        old.say(AudioDelta("r1", "i1", bytes(2 * HZ)))
        await wait_all_tasks_blocked()
        old.say(GONE)
        await wait_all_tasks_blocked()
        assert [frame["interrupted"] for frame in person.of("system")] == [True]
        assert house.model.got == [GoOn()]
        assert [line.text.strip() for line in house.model.primed][-2:] == ["a story!", "Once upon a time"]
        house.model.say(ReplyStarted("r2"), TextDelta("r2", "there was a cat."))
        await wait_all_tasks_blocked()
        assert person.of("gemini_response")[-1]["text"] == "there was a cat."


async def test_a_provider_that_restarts_is_waited_for(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        old = await start(house, person)
        house.models.refusal = Unreachable("connection refused")
        old.say(GONE)
        await trio.sleep(2)
        house.models.refusal = None
        await trio.sleep(1)
        assert len(house.models.live) == 1
        assert person.types()[-1] == "neko.session_swapped"


async def test_a_provider_that_stays_away_ends_the_session(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        old = await start(house, person)
        house.models.refusal = Unreachable("connection refused")
        old.say(GONE)
        await trio.sleep(6)
        assert person.types()[-1] == "session_ended_by_server"


async def test_a_provider_that_ends_each_session_at_once_is_given_up(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    house.models.first_words = (GONE,)
    async with house.client() as person:
        await person.send("start_session", input_type="audio")
        await trio.sleep(20)
        assert person.types()[-1] in {"session_ended_by_server", "session_failed"}
        assert len(house.models.sessions) <= LOSSES + 1


async def test_another_personality_between_two_sentences(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        old = await start(house, person)
        old.say(UserSaid("hello"), ReplyStarted("r1"), TextDelta("r1", "Hello. "))
        await wait_all_tasks_blocked()
        await person.send("swap_session", when="turn", prompt="You are a pirate.", voice="calm")
        await wait_all_tasks_blocked()
        assert len(house.models.live) == 2  # prepared, and the old one still speaks
        old.say(TextDelta("r1", "Nice day."), ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert house.model.snapshot.character.prompt == "You are a pirate."
        assert house.model.snapshot.character.voice == "calm"
        assert house.models.live == [house.model]
        assert [line.text for line in house.model.primed][-1] == "Hello. Nice day."
        frame = swapped(person)
        assert (frame["reason"], frame["gap_ms"], frame["lost_ms"]) == ("requested", 0, 0)
        await person.send("stream_data", input_type="text", data="ahoy")
        await wait_all_tasks_blocked()
        assert house.model.got == [Say("ahoy")]


@pytest.mark.parametrize("speaking", [True, False])
async def test_a_swap_now_in_mid_utterance_loses_no_block(
    house: FakeHouse, autojump_clock: MockClock, speaking: bool
) -> None:
    async with house.client() as person:
        old = await start(house, person)
        await talk(person, 1, 10)
        if speaking:
            old.say(SpeechStarted())
        await talk(person, 11, 40)
        house.models.dial_s = 0.3
        await person.send("swap_session", when="now", prompt="You are a pirate.")
        await talk(person, 51, 20)  # still for the old one
        await trio.sleep(1)
        await talk(person, 71, 30)
        await trio.sleep(2 * JOINED_S)
        new = house.model
        assert new is not old
        assert blocks(old) == list(range(1, 71))
        assert blocks(new) == list(range(1, 101))
        assert house.models.live == [new]
        assert swapped(person)["lost_ms"] == 0


async def test_a_swap_leaves_no_seam_in_what_the_model_hears(house: FakeHouse, autojump_clock: MockClock) -> None:
    """16 kHz from the microphone, 24 kHz to the model: the resampler goes on where it was."""
    sine = (8_000 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype("<i2")
    async with house.client() as person:
        old = await start(house, person)
        old.say(SpeechStarted())
        await wait_all_tasks_blocked()
        for at in range(0, len(sine), 320):
            if at == 160 * 50:
                await person.send("swap_session", when="now", prompt="You are a pirate.")
                await wait_all_tasks_blocked()
            await person.send("stream_data", input_type="audio", data=sine[at : at + 320].tolist(), sample_rate=16_000)
        await wait_all_tasks_blocked()
        assert house.model is not old
        heard = np.frombuffer(bytes(house.model.heard), dtype="<i2").astype(int)
        unswapped = np.frombuffer(SpeechResampler(16_000, HZ, prompt=True).push(sine.tobytes()), dtype="<i2").astype(
            int
        )
        assert len(heard) > 0.9 * HZ
        # The resampler dithers its 16-bit output, and by chunk: two steps are the most that differs.
        assert np.abs(heard - unswapped[: len(heard)]).max() <= 2


async def test_the_next_session_sees_how_the_character_tags_its_moods(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as person:
        old = await start(house, person)
        old.say(UserSaid("hello"), ReplyStarted("r1"), TextDelta("r1", "<hap"), TextDelta("r1", "py> Nice day."))
        old.say(ReplyDone("r1", ReplyStatus.COMPLETED))
        await person.send("swap_session", when="turn", prompt="You are a pirate.")
        await wait_all_tasks_blocked()
        assert [line.text for line in house.model.primed][-2:] == ["hello", "<happy> Nice day."]
        assert [u.text for u in house.managers["Mimi"].history][-1] == "Nice day."


async def test_a_swap_waits_for_the_person_to_have_been_answered(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        old = await start(house, person)
        old.say(SpeechStarted())
        await talk(person, 1, 20)
        await person.send("swap_session", when="turn", prompt="You are a pirate.")
        await trio.sleep(5)
        assert person.of("neko.session_swapped") == []
        old.say(SpeechStopped(200), UserSaid("hello"))
        await trio.sleep(1)
        assert person.of("neko.session_swapped") == []
        old.say(ReplyStarted("r1"), TextDelta("r1", "Hi."), ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert swapped(person)["reason"] == "requested"


async def test_a_session_that_does_not_come_up_changes_nothing(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        old = await start(house, person)
        house.models.dial_s = 60
        await person.send("swap_session", when="now", prompt="You are a pirate.")
        await trio.sleep(6)
        assert person.codes() == ["SWAP_FAILED"]
        assert house.models.live == [old]
        await person.send("stream_data", input_type="text", data="still you?")
        await wait_all_tasks_blocked()
        assert old.got == [Say("still you?")]


async def test_a_pending_session_that_dies_while_it_waits_changes_nothing(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as person:
        old = await start(house, person)
        old.say(UserSaid("hello"), ReplyStarted("r1"), TextDelta("r1", "Hello. "))
        await person.send("swap_session", when="turn", prompt="You are a pirate.")
        await wait_all_tasks_blocked()
        house.model.say(GONE)
        old.say(ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert person.codes() == ["SWAP_FAILED"]
        assert house.models.live == [old]


async def test_a_barge_in_silences_a_session_that_is_retired_and_still_speaks(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as person:
        old = await start(house, person)
        old.say(UserSaid("hello"), ReplyStarted("r1"), TextDelta("r1", "A long "), AudioDelta("r1", "i", bytes(2 * HZ)))
        await wait_all_tasks_blocked()
        await person.send("swap_session", when="now", prompt="You are a pirate.")
        await wait_all_tasks_blocked()
        new = house.model
        assert house.models.live == [old, new]
        old.say(TextDelta("r1", "story."))
        await wait_all_tasks_blocked()
        assert person.of("gemini_response")[-1]["text"] == "story."
        new.say(SpeechStarted())
        await wait_all_tasks_blocked()
        assert house.models.live == [new]
        old.say(TextDelta("r1", " More."))
        await wait_all_tasks_blocked()
        assert person.types()[-2:] == ["user_activity", "system"]


async def test_a_wrong_wish_is_named(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await start(house, person)
        await person.send("swap_session", when="now", provider="nowhere")
        await wait_all_tasks_blocked()
        assert person.codes() == ["INVALID_VALUE"]
        assert "nowhere" in person.of("status")[0]["message"]
        assert len(house.models.sessions) == 1


async def test_the_end_of_the_session_ends_the_pending_one(house: FakeHouse, autojump_clock: MockClock) -> None:
    """Failure B: nothing of a prepared session is left."""
    async with house.client() as person:
        old = await start(house, person)
        old.say(SpeechStarted())
        await person.send("swap_session", when="turn", prompt="You are a pirate.")
        await wait_all_tasks_blocked()
        assert len(house.models.live) == 2
        await person.send("end_session")
        await wait_all_tasks_blocked()
        assert house.models.live == []
        assert person.codes() == ["CHARACTER_LEFT"]
