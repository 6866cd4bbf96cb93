"""24 to 48 kHz: exactly twice the samples, one stream, no seam."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neko.audio.resample import SpeechResampler

IN_HZ, OUT_HZ = 24_000, 48_000
CHUNK = 480 * 2  # 20 ms
LEVEL = 20_000


def sine(hz: float, samples: int, rate: int) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(samples) / rate) * LEVEL


def through(pcm: bytes, sizes: list[int], *, prompt: bool) -> bytes:
    """The sound fed in chunks of the given sizes in bytes, the last size repeated."""
    resampler = SpeechResampler(IN_HZ, OUT_HZ, prompt=prompt)
    out, at, sizes = b"", 0, list(sizes)
    while at < len(pcm):
        size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        out += resampler.push(pcm[at : at + size])
        at += size
    return out + resampler.flush()


@given(samples=st.integers(0, 5000), sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=5), prompt=st.booleans())
def test_n_samples_in_are_exactly_2n_out(samples: int, sizes: list[int], prompt: bool) -> None:
    pcm = sine(440, samples, IN_HZ).astype("<i2").tobytes()
    assert len(through(pcm, sizes, prompt=prompt)) == 2 * len(pcm)


@given(sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=5), prompt=st.booleans())
def test_chunk_edges_leave_no_trace(sizes: list[int], prompt: bool) -> None:
    pcm = sine(440, 4000, IN_HZ).astype("<i2").tobytes()
    once, chunked = (
        np.frombuffer(through(pcm, cut, prompt=prompt), dtype="<i2").astype(int) for cut in ([len(pcm)], sizes)
    )
    # soxr dithers its 16-bit output by up to two steps; resampling chunk by chunk differs by thousands.
    assert np.abs(once - chunked).max() <= 2


@pytest.mark.parametrize("hz", [200, 1000, 3000, 6000, 9000, 10_000])
def test_a_sine_in_20_ms_chunks_keeps_80_db(hz: int) -> None:
    pcm = np.round(sine(hz, IN_HZ, IN_HZ)).astype("<i2").tobytes()
    heard = np.frombuffer(through(pcm, [CHUNK], prompt=False), dtype="<i2").astype(float)
    # The first and last 2000 samples are the sine's own onset, which is no sine.
    middle = slice(2000, -2000)
    wanted = sine(hz, 2 * IN_HZ, OUT_HZ)[middle]
    noise = heard[middle] - wanted
    assert 10 * np.log10((wanted**2).mean() / (noise**2).mean()) >= 80


@pytest.mark.parametrize("hz", [200, 1000, 3000, 5500])
def test_a_prompt_resampler_keeps_80_db(hz: int) -> None:
    pcm = np.round(sine(hz, IN_HZ, IN_HZ)).astype("<i2").tobytes()
    middle = slice(2000, -2000)
    heard = np.frombuffer(through(pcm, [CHUNK], prompt=True), dtype="<i2").astype(float)[middle]
    wanted = sine(hz, 2 * IN_HZ, OUT_HZ)[middle]
    assert 10 * np.log10((wanted**2).mean() / ((heard - wanted) ** 2).mean()) >= 80


@pytest.mark.parametrize("mic_hz", [16_000, 44_100, 48_000])
def test_a_prompt_resampler_holds_back_little(mic_hz: int) -> None:
    resampler, frame = SpeechResampler(mic_hz, IN_HZ, prompt=True), b"\0\0" * (mic_hz // 50)
    heard_ms, held_ms = 0.0, []
    for number in range(1, 101):
        heard_ms += len(resampler.push(frame)) / 2 / IN_HZ * 1000
        held_ms.append(number * 20 - heard_ms)
    assert max(held_ms) <= 21


def test_the_same_rate_passes_untouched() -> None:
    resampler = SpeechResampler(IN_HZ, IN_HZ)
    assert resampler.push(b"\x01\x02\x03") + resampler.push(b"\x04") + resampler.flush() == b"\x01\x02\x03\x04"
