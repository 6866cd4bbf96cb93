"""A speech that is cut, or that breaks off, falls to silence without a click; one that goes on shows no seam."""

from __future__ import annotations

import numpy as np
import pytest
import trio
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.audio.fade import FADE_MS, fade_out, faded_beginning
from neko.audio.resample import SpeechResampler
from neko.protocol.client import AudioFraming
from neko.realtime.errors import SessionLost
from neko.realtime.session import AudioDelta, ReplyDone, ReplyStarted, ReplyStatus, SpeechStarted, TextDelta
from neko.testing.fake_model import FakeModelSession
from neko.testing.person import Person
from tests.conftest import FakeHouse
from tests.slow_line import slow_down

HZ, OUT_HZ = 24_000, 48_000
LEVEL = 20_000
FADE = FADE_MS * OUT_HZ // 1000  # samples
STEEPEST = LEVEL * 2 * np.pi * 440 / OUT_HZ  # between two samples of the sine
ROUNDING = 3  # both samples rounded, and dithered by the resampler
DELTAS = 50  # 2 s


def sine(hz: int) -> list[bytes]:
    """440 Hz in pieces of 40 ms."""
    samples = np.round(np.sin(2 * np.pi * 440 * np.arange(DELTAS * hz // 25) / hz) * LEVEL).astype("<i2")
    return [piece.tobytes() for piece in np.split(samples, DELTAS)]


def samples(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, dtype="<i2").astype(int)


def resampled(deltas: list[bytes], hz: int = HZ) -> np.ndarray:
    """The whole speech as it is heard when nobody cuts in."""
    resampler = SpeechResampler(hz, OUT_HZ)
    return samples(b"".join(resampler.push(delta) for delta in deltas) + resampler.flush())


def said(deltas: list[bytes]) -> list[AudioDelta]:
    return [AudioDelta("r1", "i1", delta) for delta in deltas]


def heard(person: Person) -> np.ndarray:
    """What the person got of the speech, joined."""
    chunks = person.of("audio_chunk")
    assert len({chunk["speech_id"] for chunk in chunks}) == 1
    return samples(b"".join(chunk["pcm"] for chunk in chunks))


async def start(house: FakeHouse, person: Person) -> FakeModelSession:
    await person.send("start_session", input_type="audio")
    await wait_all_tasks_blocked()
    house.model.say(ReplyStarted("r1"), TextDelta("r1", "A sine."))
    await wait_all_tasks_blocked()
    return house.model


def assert_faded(got: np.ndarray, whole: np.ndarray, length: int = FADE) -> None:
    """The same as the whole speech up to the last samples; those are the same falling to zero."""
    cut = len(got) - length
    np.testing.assert_array_equal(got[:cut], whole[:cut])
    gain = np.cos(np.pi / 2 * np.arange(1, length + 1) / length)
    assert np.abs(got[cut:] - whole[cut : len(got)] * gain).max() <= LEVEL / 100
    assert got[-1] == 0
    assert np.abs(np.diff(got[cut - 1 :])).max() <= STEEPEST + ROUNDING


def assert_last_is_the_interruption(person: Person) -> None:
    cut = person.types().index("user_activity")
    assert person.types()[cut:] == ["user_activity", "system"]
    assert person.got[cut]["interrupted_speech_id"] == person.of("audio_chunk")[0]["speech_id"]
    assert person.types()[cut - 1] == "audio_chunk"


async def test_what_the_resampler_holds_back_fades(house: FakeHouse, autojump_clock: MockClock) -> None:
    """The client has everything that there is, and plays it as it comes."""
    async with house.client(framing=AudioFraming.BINARY) as person:
        model = await start(house, person)
        deltas = sine(HZ)
        for event in said(deltas[:20]):
            model.say(event)
            await trio.sleep(0.04)
        sent = len(heard(person))
        model.say(SpeechStarted(), *said(deltas[20:]))
        await wait_all_tasks_blocked()
        # The filter has the past of its next samples and not all of their future: it may hold back less than a fade.
        assert FADE / 2 < len(heard(person)) - sent <= FADE
        assert_faded(heard(person), resampled(deltas), len(heard(person)) - sent)
        assert_last_is_the_interruption(person)


async def test_what_waits_for_a_slow_client_fades(
    house: FakeHouse, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house.client(framing=AudioFraming.BINARY) as person:
        model = await start(house, person)
        slow_down(monkeypatch, 0.03)
        deltas = sine(HZ)
        model.say(*said(deltas))
        await trio.sleep(0.5)
        model.say(SpeechStarted())
        await trio.sleep(1)
        assert 10 * FADE < len(heard(person)) < OUT_HZ
        assert_faded(heard(person), resampled(deltas))
        assert_last_is_the_interruption(person)


async def test_nothing_is_heard_of_a_speech_of_which_nothing_was_sent(
    house: FakeHouse, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house.client(framing=AudioFraming.BINARY) as person:
        model = await start(house, person)
        slow_down(monkeypatch, 0.03)
        await person.send("ping")
        await wait_all_tasks_blocked()
        model.say(*said(sine(HZ)))
        await wait_all_tasks_blocked()
        model.say(SpeechStarted())
        await trio.sleep(1)
        assert person.of("audio_chunk") == []
        assert person.types()[-2:] == ["user_activity", "system"]
        assert person.got[-2]["interrupted_speech_id"] is None


async def test_a_speech_that_was_sent_whole_needs_no_fade(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client(framing=AudioFraming.BINARY) as person:
        model = await start(house, person)
        deltas = sine(HZ)
        model.say(*said(deltas), ReplyDone("r1", ReplyStatus.COMPLETED))
        await trio.sleep(0.5)
        model.say(SpeechStarted())
        await wait_all_tasks_blocked()
        np.testing.assert_array_equal(heard(person), resampled(deltas))
        assert person.types()[-2:] == ["system", "user_activity"]


async def test_a_speech_that_has_stalled_is_silent_already(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client(framing=AudioFraming.BINARY) as person:
        model = await start(house, person)
        model.say(*said(sine(HZ)[:10]))
        await trio.sleep(3)
        sent = len(heard(person))
        model.say(SpeechStarted())
        await wait_all_tasks_blocked()
        assert len(heard(person)) == sent


@pytest.mark.parametrize("waits", [True, False])
async def test_at_the_clients_own_rate(
    house: FakeHouse, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    """Nothing is held back then: what waits fades, and when nothing waits, only the client knows what follows."""
    house.models.voiced = evolve(house.models.voiced, speaks_hz=OUT_HZ)
    async with house.client(framing=AudioFraming.BINARY) as person:
        model = await start(house, person)
        deltas = sine(OUT_HZ)
        slow_down(monkeypatch, 0.03 if waits else 0)
        model.say(*said(deltas[:20]))
        await trio.sleep(0.3)
        model.say(SpeechStarted())
        await trio.sleep(1)
        if waits:
            assert_faded(heard(person), resampled(deltas, OUT_HZ))
        else:
            np.testing.assert_array_equal(heard(person), samples(b"".join(deltas[:20])))
        assert_last_is_the_interruption(person)


async def test_a_reply_whose_model_dies_is_heard_to_its_end_and_fades(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client(framing=AudioFraming.BINARY) as person:
        model = await start(house, person)
        deltas = sine(HZ)
        arrived = b"".join(deltas[:20])[: -2 * 155]  # not where the sine is zero
        model.say(*said([arrived]), SessionLost("the provider closed with 1011"))
        await wait_all_tasks_blocked()
        got, whole = heard(person), resampled([arrived])
        assert len(got) == len(whole) == len(arrived)
        np.testing.assert_array_equal(got[:-FADE], whole[:-FADE])
        assert abs(whole[-1]) > LEVEL / 4
        assert got[-1] == 0
        assert np.abs(np.diff(got[-FADE:])).max() <= STEEPEST + ROUNDING
        assert [frame["interrupted"] for frame in person.of("system")] == [True]


async def test_a_forced_swap_in_mid_reply_leaves_no_trace_in_the_speech(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client(framing=AudioFraming.BINARY) as person:
        old = await start(house, person)
        deltas = sine(HZ)
        old.say(*said(deltas[:20]))
        await wait_all_tasks_blocked()
        await person.send("swap_session", when="now", prompt="You are a pirate.")
        await wait_all_tasks_blocked()
        assert len(person.of("neko.session_swapped")) == 1
        old.say(*said(deltas[20:]), ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert house.model is not old
        np.testing.assert_array_equal(heard(person), resampled(deltas))


async def test_the_fade_is_part_of_what_was_heard(house: FakeHouse, autojump_clock: MockClock) -> None:
    """After 400 ms that were sent in 10 ms the model is told of 400 ms and no more."""
    async with house.client(framing=AudioFraming.BINARY) as person:
        model = await start(house, person)
        model.say(*said(sine(HZ)[:20]))
        await trio.sleep(0.4)
        model.say(SpeechStarted())
        await wait_all_tasks_blocked()
        [cut] = model.got
        assert getattr(cut, "heard_ms", None) == 400


@pytest.mark.slow
@given(st.binary(max_size=4_000), st.sampled_from([8_000, 16_000, 24_000, 44_100, 48_000]))
def test_only_the_end_of_a_sound_fades(pcm: bytes, hz: int) -> None:
    faded, before = samples(fade_out(pcm, hz)), samples(pcm[: len(pcm) // 2 * 2])
    length = min(len(before), FADE_MS * hz // 1000)
    assert len(faded) == len(before)
    np.testing.assert_array_equal(faded[: len(faded) - length], before[: len(before) - length])
    assert np.all(np.abs(faded) <= np.abs(before))
    assert not len(faded) or faded[-1] == 0
    assert len(faded_beginning(pcm, hz)) == 2 * length


def test_at_half_of_its_length_half_of_the_power_is_left() -> None:
    steady = np.full(OUT_HZ // 100, 10_000, dtype="<i2").tobytes()
    faded = samples(fade_out(steady, OUT_HZ))
    assert faded[-FADE // 2 - 1] ** 2 == pytest.approx(10_000**2 / 2, rel=0.001)
