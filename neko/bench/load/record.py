"""What was sent and what arrived, noted while it happens and evaluated when it is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
import soxr
from attrs import define, field, frozen
from numpy.typing import NDArray

from neko.bench.load.wire import CLIENT_HZ, DELTA_MS, PROVIDER_HZ

GRID_MS = 1  # of the person's sound, whose latency is that of each millisecond of it

Floats = NDArray[np.float64]


@define(eq=False)
class Speech:
    """One reply: when each delta was sent, and how much had arrived when."""

    sent: list[float] = field(factory=list)
    arrived: list[tuple[float, int]] = field(factory=list)  # bytes until then
    size: int = 0

    def heard(self, now: float, size: int) -> None:
        self.size += size
        self.arrived.append((now, self.size))


@define(eq=False)
class Utterances:
    """All of one microphone's sound."""

    sent: list[float] = field(factory=list)  # of each frame
    arrived: list[tuple[float, int]] = field(factory=list)  # bytes at the provider until then
    size: int = 0

    def heard(self, now: float, size: int) -> None:
        self.size += size
        self.arrived.append((now, self.size))


@frozen
class Latency:
    """Milliseconds, and the share of what was sent that arrived at all."""

    p50: float
    p99: float
    max: float
    delivered: float


def down(speeches: Iterable[Speech], begin: float, end: float, quality: str) -> Latency:
    """From each delta that left in the window to the arrival of the last sample that the resampler gives out for it.

    What the resampler holds back (soxr in this quality, 40 ms at a time) comes with the delta after it, and counts so.
    """
    return _summary([_speech(each, begin, end, quality) for each in speeches])


def up(microphones: Iterable[Utterances], begin: float, end: float, frame_ms: int) -> Latency:
    """From each millisecond that left in the window, at the end of its frame, to its arrival: joining and resampling
    are in it.
    """
    return _summary([_microphone(each, begin, end, frame_ms) for each in microphones])


def latencies(speeches: Iterable[Speech], quality: str) -> list[tuple[Floats, Floats]]:
    """When each delta left, and by how much later it arrived; seconds."""
    return [_of_deltas(each, quality) for each in speeches if each.sent and each.arrived]


def _speech(speech: Speech, begin: float, end: float, quality: str) -> Floats:
    sent, late = _of_deltas(speech, quality)
    return late[(sent >= begin) & (sent < end)]


def _of_deltas(speech: Speech, quality: str) -> tuple[Floats, Floats]:
    sent, until = np.array(speech.sent), _given_out(len(speech.sent), quality)
    brings = np.diff(until, prepend=0) > 0
    return sent[brings], _waits(speech.arrived, until[brings], sent[brings])


def _microphone(mic: Utterances, begin: float, end: float, frame_ms: int) -> Floats:
    frames = np.array(mic.sent)
    sent = np.repeat(frames, frame_ms // GRID_MS)
    until = (np.arange(len(sent)) + 1) * _bytes(GRID_MS, PROVIDER_HZ)
    inside = (sent >= begin) & (sent < end)
    return _waits(mic.arrived, until[inside], sent[inside])


def _waits(arrived: Sequence[tuple[float, int]], until: NDArray[Any], sent: Floats) -> Floats:
    """Infinite for what has not arrived."""
    at = np.array([when for when, _ in arrived] + [np.inf])
    sizes = np.array([size for _, size in arrived])
    return at[np.searchsorted(sizes, until)] - sent


def _summary(all_s: Sequence[Floats]) -> Latency:
    ms = np.concatenate(all_s) * 1000 if all_s else np.array([])
    here = ms[np.isfinite(ms)]
    if not len(here):
        return Latency(np.inf, np.inf, np.inf, 0.0)
    p50, p99, most = (round(float(each), 2) for each in np.percentile(here, [50, 99, 100]))
    return Latency(p50, p99, most, round(len(here) / len(ms), 4))


@cache
def _resampled(quality: str, chunks: int) -> NDArray[np.int64]:
    stream = soxr.ResampleStream(PROVIDER_HZ, CLIENT_HZ, 1, dtype="int16", quality=quality)
    chunk = np.zeros(_bytes(DELTA_MS, PROVIDER_HZ) // 2, dtype=np.int16)
    return np.cumsum([2 * len(stream.resample_chunk(chunk)) for _ in range(chunks)])


def _given_out(chunks: int, quality: str) -> NDArray[np.int64]:
    """Bytes that a stream has given out after each chunk."""
    # Rounded up: one computation for all speeches of a window.
    return _resampled(quality, -(-chunks // 256) * 256)[:chunks]


def _bytes(ms: int, hz: int) -> int:
    return 2 * hz * ms // 1000
