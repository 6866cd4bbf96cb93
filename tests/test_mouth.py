"""How far a mouth opens: with each piece of speech, for clients that ask."""

from __future__ import annotations

import numpy as np
import pybase64
import pytest
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.audio.loudness import loudness
from neko.protocol.client import AudioFraming
from neko.protocol.codec import SPEECH_HZ
from neko.realtime.session import AudioDelta, ReplyStarted
from tests.conftest import FakeHouse


def tone(db: float, ms: int, hz: int = SPEECH_HZ) -> bytes:
    """Its RMS is `db` dBFS."""
    at = np.arange(hz * ms // 1000) / hz
    pcm = np.sin(2 * np.pi * 250 * at) * 32768 * np.sqrt(2) * 10 ** (db / 20)
    return bytes(pcm.round().astype("<i2"))


@pytest.mark.parametrize(("db", "opened"), [(-60, 0.0), (-50, 0.0), (-35, 0.5), (-27.5, 0.75), (-20, 1.0), (-6, 1.0)])
def test_it_opens_with_the_level(db: float, opened: float) -> None:
    assert loudness(tone(db, 40), SPEECH_HZ) == [pytest.approx(opened, abs=0.002)]


def test_one_value_for_each_40_ms_the_last_for_the_rest() -> None:
    assert loudness(tone(-20, 40) + bytes(3_840) + tone(-35, 20), SPEECH_HZ) == pytest.approx([1, 0, 0.5], abs=0.002)
    assert loudness(b"", SPEECH_HZ) == []


@pytest.mark.parametrize("framing", list(AudioFraming))
async def test_who_asks_is_told_also_after_coming_back(
    house: FakeHouse, autojump_clock: MockClock, framing: AudioFraming
) -> None:
    async with house.client(framing=framing) as first:
        await first.send("start_session", input_type="audio", mouth=True)
        await wait_all_tasks_blocked()
        started = first.got[-1]
        house.model.say(ReplyStarted("r1"), *(AudioDelta("r1", "i1", tone(-30, 100, 24_000)) for _ in range(5)))
        await wait_all_tasks_blocked()
        chunks = first.of("audio_chunk")
        await first.vanish()
    for chunk in chunks:
        pcm = chunk["pcm"] if framing is AudioFraming.BINARY else pybase64.b64decode(chunk["audio"])
        assert chunk["loudness"] == loudness(pcm, SPEECH_HZ)
    async with house.client(framing=framing) as second:
        await second.send("resume", token=started["resume_token"], last_seq=started["seq"])
        await wait_all_tasks_blocked()
        assert second.got == chunks


async def test_who_does_not_ask_is_not_told(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await person.send("start_session", input_type="audio")
        await wait_all_tasks_blocked()
        house.model.say(ReplyStarted("r1"), AudioDelta("r1", "i1", tone(-30, 100, 24_000)))
        await wait_all_tasks_blocked()
        assert "loudness" not in person.of("audio_chunk")[0]
        await person.send("start_session", input_type="audio", mouth="yes")
        await wait_all_tasks_blocked()
        assert person.codes() == ["INVALID_VALUE"]
