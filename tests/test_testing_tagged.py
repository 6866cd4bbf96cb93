"""Tagged sound: what goes in comes out by number, through resamplers, cuts and silence."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest

from neko.audio.pcm import bytes_for, pieces
from neko.audio.resample import SpeechResampler
from neko.testing.tagged import BLOCK_MS, MAX_BLOCKS, RATES, TagReader, silence, tag

HZ = 24_000
BLOCK = bytes_for(BLOCK_MS, HZ)


def resample(pcm: bytes, from_hz: int, to_hz: int, chunk_ms: int) -> bytes:
    resampler = SpeechResampler(from_hz, to_hz)
    return b"".join([*(resampler.push(piece) for piece in pieces(pcm, chunk_ms, from_hz)), resampler.flush()])


def read(pcm: bytes, rate: int, seed: int = 0) -> list[int]:
    """The numbers, read from chunks of arbitrary sizes, odd ones among them."""
    chance, reader, numbers, at = random.Random(seed), TagReader(rate), list[int](), 0
    while at < len(pcm):
        size = chance.randint(1, 5000)
        numbers += reader.push(pcm[at : at + size])
        at += size
    return numbers


@pytest.mark.parametrize("rate", RATES)
def test_every_number_is_read_back(rate: int) -> None:
    assert read(tag(1000, 50, rate), rate) == list(range(1000, 1050))


def test_the_largest_number_is_read_back() -> None:
    assert read(tag(MAX_BLOCKS - 2, 2, HZ), HZ) == [MAX_BLOCKS - 2, MAX_BLOCKS - 1]


@pytest.mark.parametrize("voiced", [True, False])
@pytest.mark.parametrize("chunk_ms", [20, 40])
@pytest.mark.parametrize(("from_hz", "to_hz"), [(24_000, 48_000), (16_000, 24_000), (48_000, 24_000)])
def test_resampling_leaves_the_numbers(from_hz: int, to_hz: int, chunk_ms: int, voiced: bool) -> None:
    pcm = resample(tag(0, 100, from_hz, voiced=voiced), from_hz, to_hz, chunk_ms)
    assert read(pcm, to_hz) == list(range(100))


@pytest.mark.slow
@pytest.mark.parametrize(("from_hz", "to_hz"), [(24_000, 48_000), (16_000, 24_000), (48_000, 24_000)])
def test_of_ten_thousand_resampled_blocks_none_is_misread(from_hz: int, to_hz: int) -> None:
    pcm = resample(tag(0, 10_000, from_hz), from_hz, to_hz, 20)
    assert read(pcm, to_hz) == list(range(10_000))


def test_two_resamplers_in_a_row_leave_the_numbers() -> None:
    heard = resample(resample(tag(0, 100, 16_000), 16_000, 24_000, 20), 24_000, 48_000, 40)
    assert read(heard, 48_000) == list(range(100))


def test_lost_doubled_and_reordered_blocks_are_seen_as_such() -> None:
    blocks = [tag(n, 1, HZ) for n in (0, 1, 3, 3, 5, 4)]
    assert read(b"".join(blocks), HZ) == [0, 1, 3, 3, 5, 4]


@pytest.mark.parametrize("seed", range(20))
def test_a_cut_anywhere_costs_no_whole_block(seed: int) -> None:
    chance = random.Random(seed)
    begin = 2 * chance.randint(1, 10 * BLOCK // 2)
    end = begin + 2 * chance.randint(1, 5 * BLOCK // 2)
    pcm = tag(0, 20, HZ)
    numbers = read(resample(pcm[:begin] + pcm[end:], HZ, 48_000, 20), 48_000, seed)
    whole = {n for n in range(20) if (n + 1) * BLOCK <= begin or n * BLOCK >= end}
    assert whole <= set(numbers)
    assert all(earlier < later for earlier, later in pairwise(numbers))


@pytest.mark.parametrize("gap_ms", [0.5, 3.3, 9.9, 10, 250])
def test_blocks_are_found_after_silence_of_any_length(gap_ms: float) -> None:
    gap = bytes(bytes_for(gap_ms, HZ))
    pcm = gap + tag(0, 3, HZ) + gap + tag(3, 3, HZ, voiced=False)
    assert read(resample(pcm, HZ, 48_000, 20), 48_000) == list(range(6))


def test_silence_and_other_sound_carry_no_number() -> None:
    noise = np.random.default_rng(0).normal(0, 3000, HZ // 10).astype("<i2").tobytes()
    assert read(silence(20, HZ), HZ) == []
    assert read(noise, HZ) == []


def test_voiced_blocks_are_loud_and_unvoiced_ones_are_silent() -> None:
    def rms(pcm: bytes) -> list[float]:
        blocks = np.frombuffer(pcm, dtype="<i2").astype(float).reshape(-1, BLOCK // 2)
        return [float(np.sqrt((block**2).mean())) for block in blocks]

    assert min(rms(tag(0, 500, HZ))) > 3000
    assert max(rms(tag(0, 500, HZ, voiced=False))) < 80


def test_wrong_rates_and_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="no tagged sound at 44100 Hz"):
        TagReader(44_100)
    with pytest.raises(ValueError, match="numbered from 0"):
        tag(MAX_BLOCKS, 1, HZ)
