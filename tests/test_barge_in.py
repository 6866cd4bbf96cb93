"""The person cuts in: the client falls silent at once, and the model remembers what was heard. Failure F."""

from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.realtime.session import (
    AudioDelta,
    Interrupt,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    Say,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
)
from neko.testing.person import Person
from tests.conftest import FakeHouse

SECOND = bytes(2 * 24_000)  # PCM16 at 24 kHz


async def start_speaking(house: FakeHouse, person: Person) -> str:
    """An audio session in which two seconds of a reply have arrived; its speech id."""
    await person.send("start_session", input_type="audio")
    await wait_all_tasks_blocked()
    house.model.say(ReplyStarted("r1"), TextDelta("r1", "One two three. "), AudioDelta("r1", "i1", SECOND))
    house.model.say(TextDelta("r1", "Four five six."), AudioDelta("r1", "i1", SECOND))
    await wait_all_tasks_blocked()
    return str(person.of("audio_chunk")[0]["speech_id"])


async def test_the_client_is_told_when_the_person_starts(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        speech_id = await start_speaking(house, person)
        await trio.sleep(0.5)
        before = len(person.got)
        house.model.say(SpeechStarted())
        await wait_all_tasks_blocked()
        after = [(f["type"], f.get("interrupted_speech_id"), f.get("interrupted")) for f in person.got[before:]]
        fade = ("audio_chunk", None, None)
        assert after == [fade, ("user_activity", speech_id, None), ("system", None, True)]


async def test_nothing_of_an_interrupted_reply_follows(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await start_speaking(house, person)
        house.model.say(SpeechStarted(), TextDelta("r1", "late"), AudioDelta("r1", "i1", SECOND))
        house.model.say(ReplyDone("r1", ReplyStatus.CANCELLED), SpeechStopped())
        await wait_all_tasks_blocked()
        cut = person.types().index("user_activity")
        assert person.types()[cut:] == ["user_activity", "system"]


async def test_the_next_speech_has_a_new_id_and_one_turn_end(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        first = await start_speaking(house, person)
        house.model.say(SpeechStarted(), ReplyStarted("r2"), TextDelta("r2", "Yes?"), AudioDelta("r2", "i2", SECOND))
        house.model.say(ReplyDone("r2", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        chunks = person.of("audio_chunk")
        assert chunks[-1]["speech_id"] != first
        ends = [(f["turn_id"], f["interrupted"]) for f in person.of("system")]
        assert ends == [(chunks[0]["turn_id"], True), (chunks[-1]["turn_id"], False)]


async def test_the_model_is_told_what_was_heard(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await start_speaking(house, person)
        await trio.sleep(1.5)
        house.model.say(SpeechStarted())
        await wait_all_tasks_blocked()
        assert house.model.got == [Interrupt("r1", "i1", running=True, heard_ms=1500, heard_text="One two three. Four")]
        assert [u.text for u in house.managers["Mimi"].history] == ["One two three. Four"]


async def test_the_clients_playback_report_decides(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        speech_id = await start_speaking(house, person)
        await trio.sleep(1.5)
        await person.send("playback", speech_id=speech_id, played_ms=600)
        await wait_all_tasks_blocked()
        house.model.say(SpeechStarted())
        await wait_all_tasks_blocked()
        [cut] = house.model.got
        assert isinstance(cut, Interrupt)
        assert (cut.heard_ms, cut.heard_text) == (600, "One two")


async def test_a_reply_all_sent_and_still_playing_is_interrupted_too(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as person:
        speech_id = await start_speaking(house, person)
        house.model.say(ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        await trio.sleep(0.5)
        house.model.say(SpeechStarted())
        await wait_all_tasks_blocked()
        assert person.got[-1]["interrupted_speech_id"] == speech_id
        assert [f["interrupted"] for f in person.of("system")] == [False]
        [cut] = house.model.got
        assert isinstance(cut, Interrupt)
        assert (cut.running, cut.heard_ms) == (False, 500)
        assert [u.text for u in house.managers["Mimi"].history] == ["One two"]


async def test_nothing_is_interrupted_when_all_was_heard(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await start_speaking(house, person)
        house.model.say(ReplyDone("r1", ReplyStatus.COMPLETED))
        await trio.sleep(3)
        house.model.say(SpeechStarted())
        await wait_all_tasks_blocked()
        assert person.got[-1]["interrupted_speech_id"] is None
        assert house.model.got == []


async def test_typed_words_cut_in_as_well(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        speech_id = await start_speaking(house, person)
        await trio.sleep(1)
        await person.send("stream_data", input_type="text", data="stop")
        await wait_all_tasks_blocked()
        assert house.model.got == [Interrupt("r1", "i1", True, 1000, "One two three."), Say("stop")]
        assert person.of("user_activity")[0]["interrupted_speech_id"] == speech_id


async def test_a_slow_client_gets_the_interruption_before_what_waits(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    """Sound that waits for a client that does not read is not sent after `user_activity`."""
    async with house.client() as person:
        await start_speaking(house, person)
        outbox = house.managers["Mimi"]._reception.outbox
        before = len(person.got)
        # All in one go, so that the writer has had no chance to send any of it.
        house.model.say(*(AudioDelta("r1", "i1", SECOND) for _ in range(5)), SpeechStarted())
        await wait_all_tasks_blocked()
        assert outbox.waits() == 0
        cut = person.types().index("user_activity")
        assert person.types()[cut:] == ["user_activity", "system"]
        assert [f["seq"] for f in person.got] == list(range(1, len(person.got) + 1))
        assert before <= cut
