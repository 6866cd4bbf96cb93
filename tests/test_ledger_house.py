"""The ledger of a character in conversation: what the client got is what was sent, and the rest has a fate."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.audio.ledger import Heard, Ledger, Spoken
from neko.nurseries.inbox import MIC_BACKLOG_S, Inbox
from neko.protocol.client import AudioFraming, Microphone
from neko.realtime.errors import SessionLost
from neko.realtime.session import (
    AudioDelta,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    UserSaid,
)
from neko.testing.person import Person
from tests.conftest import FakeHouse
from tests.slow_line import slow_down

TENTH = bytes(2 * 2_400)  # 100 ms of PCM16 at 24 kHz
HELD_BACK_MS = 40  # by the resampler of a speech that is cut


async def started(person: Person) -> None:
    await person.send("start_session", input_type="audio")
    await wait_all_tasks_blocked()


async def talk(person: Person, tenths: int, hz: int = 24_000) -> None:
    for _ in range(tenths):
        await person.send("stream_data", input_type="audio", data=[1] * (hz // 10), sample_rate=hz)
    await wait_all_tasks_blocked()


def reply(tenths: int) -> list[Any]:
    return [ReplyStarted("r1"), TextDelta("r1", "A story. "), *(AudioDelta("r1", "i1", TENTH) for _ in range(tenths))]


def got_ms(person: Person) -> float:
    """How much speech the person got."""
    return sum(len(frame["pcm"]) for frame in person.of("audio_chunk")) / 2 / 48


def spoken(house: FakeHouse, name: str = "Mimi") -> dict[str, float]:
    return {fate: float(ms) for fate, ms in house.managers[name].ledger.spoken_ms.items() if ms}


def heard(house: FakeHouse, name: str = "Mimi") -> dict[str, float]:
    return {fate: float(ms) for fate, ms in house.managers[name].ledger.heard_ms.items() if ms}


async def test_a_reply_that_was_heard_out_was_sent(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client(framing=AudioFraming.BINARY) as person:
        await started(person)
        house.model.say(*reply(30), ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert spoken(house) == {Spoken.SENT: 3_000}
        assert got_ms(person) == 3_000


async def test_of_a_reply_that_was_cut_what_the_person_got_was_sent_and_the_rest_cut(
    house: FakeHouse, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house.client(framing=AudioFraming.BINARY) as person:
        await started(person)
        slow_down(monkeypatch, 0.1)
        house.model.say(*reply(900))
        await trio.sleep(2)
        house.model.say(SpeechStarted(), *(AudioDelta("r1", "i1", TENTH) for _ in range(10)))  # the last come late
        await trio.sleep(2)
        fates = spoken(house)
        assert fates[Spoken.SENT] == got_ms(person) > 1_000
        assert 91_000 - HELD_BACK_MS <= sum(fates.values()) <= 91_000
        assert set(fates) == {Spoken.SENT, Spoken.CUT}


async def test_what_nobody_came_back_for_was_dropped(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client(framing=AudioFraming.BINARY) as person:
        await started(person)
        await person.vanish()
    house.model.say(*reply(30), ReplyDone("r1", ReplyStatus.COMPLETED))
    await trio.sleep(60)
    async with house.client():
        await wait_all_tasks_blocked()
    assert spoken(house) == {Spoken.DROPPED: 3_000}


async def test_a_frame_that_is_sent_once_more_is_the_same_sound(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client(framing=AudioFraming.BINARY) as person:
        await started(person)
        token = str(person.of("session_started")[0]["resume_token"])
        house.model.say(*reply(6), ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        await person.vanish()
    async with house.client(framing=AudioFraming.BINARY) as person:
        await person.send("resume", token=token, last_seq=2)
        await wait_all_tasks_blocked()
        assert got_ms(person) == 600
    assert spoken(house) == {Spoken.SENT: 600}


async def test_what_too_much_waited_for_is_backlog(house: FakeHouse, autojump_clock: MockClock) -> None:
    """Eight seconds of speech while another session is dialled."""
    async with house.client("Taro") as person:
        await started(person)
        house.model.say(SpeechStarted())
        house.models.dial_s = 9
        house.model.say(SessionLost("gone"))
        await wait_all_tasks_blocked()
        await talk(person, 80)
        assert heard(house, "Taro") == {Heard.BACKLOG: 8_000 - MIC_BACKLOG_S * 1000}


async def test_what_waits_when_a_session_ends_is_nobodys(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        house.models.dial_s = 5
        await started(person)
        await talk(person, 7, hz=16_000)
        await person.send("end_session")
        await wait_all_tasks_blocked()
        assert heard(house) == {Heard.ENDED: 700}
        assert house.managers["Mimi"].hot_swap_audio_cache == b""


async def test_a_sentence_that_three_sessions_were_given_was_made_use_of_once(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as person:
        await started(person)
        house.model.say(SpeechStarted())
        await talk(person, 20)
        for _ in range(2):
            house.model.say(SessionLost("gone"))
            await trio.sleep(1)
            await talk(person, 5)
        house.model.say(SpeechStarted(), SpeechStopped(2_500), UserSaid("hello"), *reply(1))
        house.model.say(ReplyDone("r1", ReplyStatus.COMPLETED))
        await talk(person, 20)
        await person.send("end_session")
        await wait_all_tasks_blocked()
        assert heard(house) == {Heard.UTTERANCE: 2_500, Heard.QUIET: 2_500}
        assert [frame["lost_ms"] for frame in person.of("neko.session_swapped")] == [0, 0]
    metrics = house.metrics.exposition("")[0].decode()
    assert 'neko_swaps_total{character="Mimi",reason="lost"} 2.0' in metrics


async def test_a_text_session_is_deaf(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await person.send("start_session", input_type="text")
        await talk(person, 10)
        assert heard(house) == {Heard.DEAF: 1_000}


async def test_what_was_said_long_before_the_session_is_stale(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await talk(person, 10)
        await trio.sleep(10)
        await started(person)
        assert heard(house) == {Heard.STALE: 1_000}


async def test_a_sentence_in_which_the_session_ends_was_for_nobody(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await started(person)
        house.model.say(SpeechStarted())
        await talk(person, 10)
        await person.send("end_session")
        await wait_all_tasks_blocked()
        assert heard(house) == {Heard.ENDED: 1_000}


def test_a_client_that_changes_its_rate_all_the_time_has_no_more_than_five_seconds() -> None:
    inbox = Inbox(Ledger())
    for number in range(1_000):
        hz = 16_000 if number % 2 else 48_000
        inbox.hear(Microphone(bytes([number % 256]) * (hz // 50), hz), 0.0)  # 10 ms
    assert inbox.ledger.heard_ms[Heard.BACKLOG] == 5_000
    assert len(inbox.heard()) == 250 * (320 + 960)
    assert inbox.heard()[-1] == 999 % 256
    inbox.end()
    assert inbox.ledger.heard_ms[Heard.ENDED] == 5_000
    assert inbox.heard() == b""


async def test_a_microphone_that_changes_its_rate_loses_nothing(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await started(person)
        for number in range(20):
            await talk(person, 1, 48_000 if number % 2 else 16_000)
        await person.send("end_session")
        await wait_all_tasks_blocked()
        assert sum(heard(house).values()) == 2_000
