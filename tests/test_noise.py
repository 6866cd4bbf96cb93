"""Noise suppression changes how the person's sound is, and neither how much of it there is nor when."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pybase64
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from neko.audio.noise import NOISE_HZ, ears
from neko.testing.person import open_person
from tests.eager_house import HZ, EagerHouse, start

SAMPLES = 3 * NOISE_HZ
Samples = npt.NDArray[np.float64]


def through(
    samples: Samples, level: int, *, chunk: int = 640, from_hz: int = NOISE_HZ, to_hz: int = NOISE_HZ
) -> Samples:
    """Chunks of so many bytes, and the flush."""
    hearing = ears(from_hz, to_hz, noise_suppression=level)
    pcm = samples.astype("<i2").tobytes()
    out = b"".join(hearing.push(pcm[start : start + chunk]) for start in range(0, len(pcm), chunk)) + hearing.flush()
    return np.frombuffer(out, dtype="<i2").astype(float)


def hiss(samples: int = SAMPLES) -> Samples:
    return np.random.default_rng(7).normal(0, 600, samples)


def level_db(samples: Samples) -> float:
    return float(20 * np.log10(samples.std()))


def test_hiss_is_taken_away_and_a_voice_is_not() -> None:
    at = np.arange(SAMPLES) / NOISE_HZ
    # Like syllables: a steady tone is noise to a suppressor.
    voice = 6_000 * np.sin(2 * np.pi * 220 * at) * np.clip(np.sin(2 * np.pi * 3 * at), 0, 1) * (at >= 2)
    heard = through(voice + hiss(), 2)
    before = slice(NOISE_HZ, 2 * NOISE_HZ)
    assert level_db(hiss()[before]) - level_db(heard[before]) > 9
    assert abs(level_db((voice + hiss())[2 * NOISE_HZ :]) - level_db(heard[2 * NOISE_HZ :])) < 2


def test_more_of_it_takes_away_more() -> None:
    levels = [level_db(through(hiss(), level)[NOISE_HZ:]) for level in range(5)]
    assert levels == sorted(levels, reverse=True)


def test_it_stays_in_time() -> None:
    click = np.zeros(SAMPLES)
    click[NOISE_HZ : NOISE_HZ + 400] = 9_000 * np.sin(np.arange(400) * 0.3)
    [first, *_] = np.flatnonzero(np.abs(through(click, 1)) > 500)
    assert abs(int(first) - NOISE_HZ) <= 4


@given(
    samples=st.integers(0, 2_000),
    chunk=st.integers(1, 1_000),
    rates=st.sampled_from([(16, 16), (48, 24), (16, 24), (48, 16)]),
)
def test_as_many_samples_as_without_it(samples: int, chunk: int, rates: tuple[int, int]) -> None:
    from_hz, to_hz = (rate * 1_000 for rate in rates)
    counts = [len(through(hiss(samples), level, chunk=chunk, from_hz=from_hz, to_hz=to_hz)) for level in (0, 2)]
    assert abs(counts[0] - counts[1]) <= 1


@pytest.mark.parametrize("chunk", [2, 37, 320, 9_999])
def test_the_chunks_make_no_difference(chunk: int) -> None:
    assert np.array_equal(through(hiss(5_000), 2, chunk=chunk), through(hiss(5_000), 2))


async def test_a_model_hears_less_of_it(tmp_path: Path, autojump_clock: MockClock) -> None:
    house = EagerHouse(tmp_path, "[session]\nnoise_suppression = 3\n[characters.Mimi]")
    async with trio.open_nursery() as nursery:
        await nursery.start(house.mimi.run)
        async with open_person(house.mimi) as person:
            await start(person)
            pcm = hiss().astype("<i2").tobytes()
            for begin in range(0, len(pcm), 6_400):
                sound = pybase64.b64encode(pcm[begin : begin + 6_400]).decode()
                await person.send("stream_data", input_type="audio", data=sound)
                await trio.sleep(0.2)
            heard = np.frombuffer(bytes(house.current.heard), dtype="<i2")
            missing_s = (SAMPLES * HZ / NOISE_HZ - len(heard)) / HZ
            assert 0 <= missing_s < 0.05
            assert level_db(hiss()) - level_db(heard[-HZ:].astype(float)) > 12
        nursery.cancel_scope.cancel()
