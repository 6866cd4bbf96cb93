"""A client that does not read while a whole reply waits for it, its end included; then the person cuts in."""

from __future__ import annotations

from trio.testing import MockClock, wait_all_tasks_blocked

from neko.realtime.session import AudioDelta, ReplyDone, ReplyStarted, ReplyStatus, SpeechStarted, TextDelta
from tests.conftest import FakeHouse
from tests.fuzz.client import Line, open_person

SECOND = bytes(2 * 24_000)  # PCM16 at 24 kHz


async def test_a_reply_whose_end_has_not_left_ends_as_interrupted(house: FakeHouse, autojump_clock: MockClock) -> None:
    line = Line()
    async with open_person(house.managers["Mimi"], line) as person:
        await person.send("start_session", input_type="audio")
        await wait_all_tasks_blocked()
        house.model.say(ReplyStarted("r1"), TextDelta("r1", "One two three."), AudioDelta("r1", "i1", SECOND))
        await wait_all_tasks_blocked()
        line.stall()
        house.model.say(AudioDelta("r1", "i1", SECOND), AudioDelta("r1", "i1", SECOND))
        house.model.say(ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        house.model.say(SpeechStarted())
        await wait_all_tasks_blocked()
        line.read_on()
        await wait_all_tasks_blocked()
        told = [frame["type"] for frame in person.got[2:]]
        # One piece was on its way when it stopped reading; of the sound that waited a faded beginning is heard.
        assert told == ["gemini_response", "audio_chunk", "audio_chunk", "audio_chunk", "user_activity", "system"]
        assert [frame["interrupted"] for frame in person.of("system")] == [True]
