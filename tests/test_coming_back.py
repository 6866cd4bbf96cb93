"""What goes on as it was on the next connection, for whom, and for whom not."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.protocol.client import AudioFraming
from neko.protocol.server import Pong
from neko.realtime.session import AudioDelta, Interrupt, ReplyDone, ReplyStarted, ReplyStatus, Say, SpeechStarted
from neko.testing.person import Person
from tests.conftest import FakeHouse

TENTH = bytes(2 * 2_400)  # 100 ms of PCM16 at 24 kHz
NAME = "Mimi"


async def started(person: Person, **fields: Any) -> str:
    """Starts a session; its resume token."""
    await person.send("start_session", **{"input_type": "audio", **fields})
    await wait_all_tasks_blocked()
    return str(person.of("session_started")[-1]["resume_token"])


async def resume(person: Person, token: str, last_seq: int) -> None:
    await person.send("resume", token=token, last_seq=last_seq)
    await wait_all_tasks_blocked()


def speak(house: FakeHouse, tenths: int, reply: str = "r1") -> None:
    house.model.say(ReplyStarted(reply), *(AudioDelta(reply, "i1", TENTH) for _ in range(tenths)))


async def test_speech_comes_on_in_the_framing_that_was_asked_for(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as first:
        token = await started(first, audio_format="binary")
        await first.vanish()
    speak(house, 3)
    async with house.client() as second:
        await resume(second, token, last_seq=2)
        speak(house, 3)
        await wait_all_tasks_blocked()
        chunks = second.of("audio_chunk")
        assert all("audio" not in chunk and chunk["pcm"] for chunk in chunks)
        assert len(chunks) == 6


async def test_a_sound_whose_header_came_alone_comes_again_with_its_header(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    """Whoever counts a piece of speech as seen when it is whole, loses nothing and gets nothing twice."""
    async with house.client(framing=AudioFraming.BINARY) as first:
        token = await started(first)
        speak(house, 4)
        await wait_all_tasks_blocked()
        whole, torn = first.of("audio_chunk")[1:3]
        await first.vanish()
    async with house.client(framing=AudioFraming.BINARY) as second:
        await resume(second, token, last_seq=whole["seq"])
        assert second.got[0] == torn


async def test_the_microphone_goes_on_at_its_rate(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as first:
        token = await started(first)
        await first.send("mic_format", sample_rate=24_000)
        await first.send_raw(b"\1\0" * 960)
        await wait_all_tasks_blocked()
        await first.vanish()
    async with house.client() as second:
        await resume(second, token, last_seq=2)
        await second.send_raw(b"\2\0" * 960)
        await wait_all_tasks_blocked()
        assert bytes(house.model.heard) == b"\1\0" * 960 + b"\2\0" * 960


async def test_a_pong_tells_how_much_has_arrived_over_all_connections(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as first:
        token = await started(first)
        await first.send_raw(b"\1\0" * 320)
        await first.send_raw("what is this?")
        await first.send("ping")
        await wait_all_tasks_blocked()
        assert first.got[-1] == {"type": "pong", "received": 4}
        await first.send_raw(b"\1\0" * 320)
        await wait_all_tasks_blocked()
        await first.vanish()
    async with house.client() as second:
        await resume(second, token, last_seq=3)
        await second.send("ping")
        await wait_all_tasks_blocked()
        assert second.got == [{"type": "pong", "received": 6}]


async def test_who_asks_is_told_that_before_what_was_missed(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as first:
        token = await started(first)
        speak(house, 5)
        await wait_all_tasks_blocked()
        await first.vanish()
    speak(house, 5)
    async with house.client() as second:
        await second.send("resume", token=token, last_seq=2, ack=True)
        await second.send("ping")
        await wait_all_tasks_blocked()
        assert second.got[0] == {"type": "pong", "received": 1}
        assert second.types()[1:] == ["audio_chunk"] * 10 + ["pong"]
        assert second.got[-1]["received"] == 2


async def test_a_pong_that_did_not_leave_is_not_for_whoever_takes_over(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as first:
        await started(first)
        await first.vanish()
    house.managers[NAME]._reception.outbox.post(Pong(7))
    async with house.client() as second:
        await started(second)
        await second.send("ping")
        await wait_all_tasks_blocked()
        assert [frame["received"] for frame in second.of("pong")] == [2]


async def test_whose_place_is_taken_cannot_resume_whatever_the_other_has_answered(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as first:
        token = await started(first)
        await first.vanish()
    async with house.client() as second:
        assert await started(second) != token
        speak(house, 40)
        await wait_all_tasks_blocked()
        async with house.client() as back:
            await resume(back, token, last_seq=2)
            assert [(frame["type"], frame["seq"]) for frame in back.got] == [("status", 1)]
            assert back.codes() == ["INVALID_VALUE"]
            await started(back)
            assert back.types() == ["status", "session_started"]
            assert second.codes() == ["CHARACTER_SWITCHING_TERMINAL"]
            assert second.closed == 4001
    assert len(house.models.sessions) == 1


async def test_who_took_over_can_resume(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as first:
        await started(first)
        async with house.client(framing=AudioFraming.BINARY) as second:
            token = await started(second)
            seen = second.got[-1]["seq"]
            await second.vanish()
    speak(house, 2)
    async with house.client() as back:
        await resume(back, token, last_seq=seen)
        assert [frame["seq"] for frame in back.got] == [seen + 1, seen + 2]


async def test_a_known_token_whose_past_is_gone_is_a_fresh_connection(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as first:
        token = await started(first)
        await first.vanish()
    async with house.client() as second:
        await resume(second, token, last_seq=99)
        house.model.say(SpeechStarted())
        await wait_all_tasks_blocked()
        assert [(frame["type"], frame["seq"]) for frame in second.got] == [("status", 1)]


async def test_what_was_missed_counts_as_heard_only_after_it_came(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as first:
        token = await started(first)
        speak(house, 10)
        await wait_all_tasks_blocked()
        got = first.of("audio_chunk")[4]["seq"]
        await first.vanish()
    await trio.sleep(5)
    async with house.client() as second:
        await resume(second, token, last_seq=got)
        house.model.say(SpeechStarted())
        await wait_all_tasks_blocked()
        [interrupt] = [each for each in house.model.got if isinstance(each, Interrupt)]
        assert 450 <= interrupt.heard_ms <= 500


@pytest.mark.parametrize("steps", range(25))
async def test_cleaning_up_a_connection_never_ends_the_session_of_a_newer_one(
    house: FakeHouse, autojump_clock: MockClock, steps: int
) -> None:
    """The old client's cleanup comes after so many steps of the newer one, and again at the end."""
    manager = house.managers[NAME]
    async with house.client() as first:
        await started(first)
        old = manager.websocket
        assert old is not None
        async with house.client() as second:
            await second.send("start_session", input_type="audio")
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            manager.cleanup(old)
            await wait_all_tasks_blocked()
            manager.cleanup(old)
            await second.send("stream_data", input_type="text", data="still there?")
            await wait_all_tasks_blocked()
            assert second.types()[-1] == "session_started"
            assert house.models.live == [house.model]
            assert house.model.got[-1] == Say("still there?")
            assert second.closed is None
            current = manager.websocket
            assert current is not None
            manager.cleanup(current)
            await wait_all_tasks_blocked()
            assert house.models.live == []


async def test_a_reply_that_ended_meanwhile_ends_once(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as first:
        token = await started(first)
        speak(house, 2)
        await wait_all_tasks_blocked()
        seen = list(first.got)
        await first.vanish()
    house.model.say(ReplyDone("r1", ReplyStatus.COMPLETED))
    await wait_all_tasks_blocked()
    async with house.client() as second:
        await resume(second, token, last_seq=seen[-1]["seq"])
        assert [frame["type"] for frame in [*seen, *second.got]].count("system") == 1
