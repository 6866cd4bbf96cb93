"""A spoken turn, from the first sound to its turn end, as a client gets it."""

from __future__ import annotations

import pybase64
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.realtime.session import (
    AudioDelta,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    Say,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    UserSaid,
)
from tests.conftest import FakeHouse

SECOND = bytes(2 * 24_000)  # PCM16 at 24 kHz


async def test_a_spoken_turn_arrives_in_order(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await person.send("start_session", input_type="audio")
        await wait_all_tasks_blocked()
        house.model.say(SpeechStarted(), SpeechStopped(), UserSaid("What is your name?"), ReplyStarted("r1"))
        house.model.say(TextDelta("r1", "<hap"), TextDelta("r1", "py> I am Mimi."), AudioDelta("r1", "i1", SECOND))
        house.model.say(ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert person.types() == [
            "session_preparing",
            "session_started",
            "user_activity",
            "user_transcript",
            "emotion",
            "gemini_response",
            "audio_chunk",
            "audio_chunk",
            "system",
        ]
        assert [frame["seq"] for frame in person.got] == list(range(1, 10))
        assert person.of("user_activity")[0]["interrupted_speech_id"] is None
        assert person.of("emotion")[0]["emotion"] == "happy"
        assert [(f["text"], f["isNewMessage"]) for f in person.of("gemini_response")] == [("I am Mimi.", True)]
        assert len({frame["turn_id"] for frame in person.of("gemini_response", "audio_chunk", "system")}) == 1
        sound = b"".join(pybase64.b64decode(frame["audio"]) for frame in person.of("audio_chunk"))
        assert len(sound) == 2 * len(SECOND)
        assert person.got[-1]["data"] == "turn end"
        assert person.got[-1]["interrupted"] is False
        assert [(u.role, u.text) for u in house.managers["Mimi"].history] == [
            ("user", "What is your name?"),
            ("assistant", "I am Mimi."),
        ]


async def test_typed_text_in_an_audio_session_is_answered_in_it(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await person.send("start_session", input_type="audio")
        await person.send("stream_data", input_type="text", data="hello", request_id="q7")
        await wait_all_tasks_blocked()
        assert house.model.got == [Say("hello", "q7")]
        house.model.say(ReplyStarted("r1", "q7"), TextDelta("r1", "Hi."), ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert person.of("gemini_response")[0]["request_id"] == "q7"
        assert len(house.models.sessions) == 1
        assert person.codes() == []


async def test_the_examples_and_the_past_are_told_to_the_next_session(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as person:
        await person.send("start_session", input_type="text")
        await person.send("stream_data", input_type="text", data="remember the moon")
        await wait_all_tasks_blocked()
        await person.send("end_session")
        await wait_all_tasks_blocked()
        await person.send("start_session", input_type="text")
        await wait_all_tasks_blocked()
        assert [line.text for line in house.model.primed] == ["Hi", "<happy> Hello you!", "remember the moon"]
        await person.send("start_session", input_type="text", new_session=True)
        await wait_all_tasks_blocked()
        assert [line.text for line in house.model.primed] == ["Hi", "<happy> Hello you!"]
        assert [u.text for u in house.managers["Mimi"].history] == ["remember the moon"]
        assert len(house.models.live) == 1
