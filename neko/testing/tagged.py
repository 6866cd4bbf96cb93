"""Tagged sound: every 10 ms carry their own number, so that what is lost, doubled or reordered can be counted.

A block is 24 tones below 3.2 kHz, each in one of four phases: 48 bits, of which 24 are the number and 24 the check.
The tones are orthogonal over the inner 8 ms and fade in and out over the outer 1 ms, so that neighbours do not disturb
each other and resampling between any of the `RATES` leaves the phases alone. The reader finds the blocks by
themselves, whatever chunks they come in and wherever the sound was cut.
"""

from __future__ import annotations

from functools import cache
from itertools import takewhile
from typing import TypeAlias

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from neko.audio.pcm import BYTES_PER_SAMPLE

BLOCK_MS = 10
RATES = (8_000, 16_000, 24_000, 32_000, 48_000)  # those that have whole samples in a millisecond
MAX_BLOCKS = 1 << 24  # the numbers of 46 hours

# 24 tones at VOICED reach 24,000 at the very most, so that no block clips; the RMS is 3,240.
VOICED = 1000.0
# RMS 65: silence to any voice activity detector, and 30 dB above the dither of a 16-bit resampler.
UNVOICED = 20.0
_FLOOR = 16  # a block whose samples stay below this carries no tag; unvoiced ones exceed 100

_TONES = np.arange(2, 26)  # multiples of 125 Hz: 250 to 3,125 Hz, below the Nyquist frequency of every rate
_TONE_HZ = 125  # whole periods in the inner 8 ms
_GUARD_MS = 1
_BITS_PER_TONE = 2
_WORD = 1 << (_BITS_PER_TONE * len(_TONES))
_SPREAD = 0x9E3779B97F4B  # odd, so that it has an inverse; the golden ratio mixes neighbouring numbers well
_GATHER = pow(_SPREAD, -1, _WORD)
_WEIGHTS = np.array([1 << (_BITS_PER_TONE * tone) for tone in range(len(_TONES))], dtype=np.uint64)
# Newman's phases: without them the tones of a number with equal bits would all peak at once.
_START = np.exp(1j * np.pi * (_TONES - _TONES[0]) ** 2 / len(_TONES))
_PHASES = np.array([1 + 1j, -1 + 1j, 1 - 1j, -1 - 1j]) / np.sqrt(2)  # what two bits of the number do to a tone
# Root mean square distance from the nearest of the four phases. Clean blocks stay below 0.1 and a block read two
# samples off at 48 kHz below 0.5; sound that is no tag comes to 0.5 and more.
_MAX_DISTANCE = 0.4
_AT_ONCE = 50  # blocks; more would be read in vain when the first of them is none, and take megabytes to make

Samples: TypeAlias = NDArray[np.int16]


@frozen
class _Shape:
    """What a block looks like at one rate."""

    samples: int
    guard: int
    sounds: NDArray[np.float64] = field(repr=False)  # (tone, phase, sample), with the fades

    @property
    def inner(self) -> slice:
        return slice(self.guard, self.samples - self.guard)


@cache
def _shape(rate: int) -> _Shape:
    if rate not in RATES:
        raise ValueError(f"no tagged sound at {rate} Hz; accepted: {', '.join(map(str, RATES))}")
    samples, guard = rate * BLOCK_MS // 1000, rate * _GUARD_MS // 1000
    at_s = (np.arange(samples) - guard) / rate
    tones = _START[:, None] * np.exp(2j * np.pi * _TONE_HZ * _TONES[:, None] * at_s)
    fade = np.sin(np.pi / 2 * (np.arange(guard) + 0.5) / guard) ** 2
    envelope = np.concatenate([fade, np.ones(samples - 2 * guard), fade[::-1]])
    return _Shape(samples, guard, (_PHASES[None, :, None] * (tones * envelope)[:, None, :]).real)


def tag(first: int, count: int, rate: int, *, voiced: bool = True) -> bytes:
    """Blocks `first` to `first + count - 1`: PCM16 little-endian mono at `rate` Hz, `count * 10` ms.

    Unvoiced blocks can be read like voiced ones, but are silence to a voice activity detector.

    Raises:
        ValueError: for a rate that is not among `RATES`, or numbers outside 0 … `MAX_BLOCKS`.
    """
    if not 0 <= first <= first + count <= MAX_BLOCKS:
        raise ValueError(f"blocks are numbered from 0 to {MAX_BLOCKS - 1}")
    shape, size = _shape(rate), VOICED if voiced else UNVOICED
    numbers = range(first, first + count)
    return b"".join(_sound(numbers[at : at + _AT_ONCE], shape, size) for at in range(0, count, _AT_ONCE))


def _sound(numbers: range, shape: _Shape, size: float) -> bytes:
    words = np.array([(number * _SPREAD) % _WORD for number in numbers], dtype=np.uint64)
    phases = (words[:, None] // _WEIGHTS % 4).astype(np.intp)
    # Not a product of matrices: after each one the threads of the linear algebra wait for the next, busily, for tens of
    # milliseconds, so that a few blocks now and then would take a whole core.
    sound = shape.sounds[np.arange(len(_TONES)), phases].sum(axis=1)
    pcm: bytes = np.round(sound * size).astype("<i2").tobytes()
    return pcm


def silence(count: int, rate: int) -> bytes:
    """`count` blocks of digital silence, which carry no tag."""
    return bytes(count * _shape(rate).samples * BYTES_PER_SAMPLE)


class TagReader:
    """Reads the numbers out of one continuous tagged sound at `rate` Hz.

    A block counts when its inner 8 ms came through; half a block is skipped, as are silence and other sound.

    Raises:
        ValueError: for a rate that is not among `RATES`.
    """

    def __init__(self, rate: int) -> None:
        self._shape = _shape(rate)
        self._sound = np.empty(0, dtype=np.int16)
        self._start = 0  # where in it the next block is expected
        self._odd = b""

    def push(self, pcm: bytes) -> list[int]:
        """The numbers of the blocks that are complete now, in the order in which they sound."""
        self._take(pcm)
        size = self._shape.samples
        found: list[int] = []
        while len(self._sound) >= self._start + size:
            if self._silent():
                # A block may have begun in the last of this silence: its fade-in starts below the floor.
                self._go_on(self._start + size - self._shape.guard)
            elif run := self._read():
                found += run
                self._go_on(self._start + len(run) * size)
            elif not self._resync():
                break
        return found

    def _take(self, pcm: bytes) -> None:
        whole = self._odd + pcm
        cut = len(whole) - len(whole) % BYTES_PER_SAMPLE
        self._odd = whole[cut:]
        self._sound = np.concatenate([self._sound, np.frombuffer(whole[:cut], dtype="<i2")])

    def _go_on(self, at: int) -> None:
        # A block that lost its end can still be read; the next one then begins before the end that it should have had.
        kept = min(at, 2 * self._shape.guard)
        self._sound, self._start = self._sound[at - kept :], kept

    def _silent(self) -> bool:
        """Whether there is no tag where the next block is expected, which a microphone that is on all the time makes
        the common case."""
        expected = self._sound[self._start : self._start + self._shape.samples]
        return bool(expected.max() < _FLOOR and expected.min() > -_FLOOR)

    def _read(self) -> list[int]:
        """The blocks that follow each other without a gap from where the next one is expected."""
        size = self._shape.samples
        count = min((len(self._sound) - self._start) // size, _AT_ONCE)
        blocks = self._sound[self._start : self._start + count * size].reshape(count, size)
        phases, distance = _phases(blocks[:, self._shape.inner])
        return list(takewhile(lambda index: index >= 0, _indices(phases, distance).tolist()))

    def _resync(self) -> bool:
        """Moves on to where a block may begin; False when that takes more sound."""
        size, start = self._shape.samples, self._start
        if len(self._sound) < start + 2 * size:
            return False
        found = self._next_start()
        self._sound, self._start = self._sound[start + size if found is None else found :], 0
        return True

    def _next_start(self) -> int | None:
        """Where the first block begins that begins within the expected one, or shortly before it."""
        size, guard = self._shape.samples, self._shape.guard
        reach = self._sound[guard : self._start + 2 * size - guard]
        phases, distance = _phases(np.lib.stride_tricks.sliding_window_view(reach, size - 2 * guard))
        readable = np.flatnonzero(_indices(phases, distance) >= 0)
        if not len(readable):
            return None
        # Its neighbours can be read too; the exact start is where the phases fit best.
        return int(readable[0] + np.argmin(distance[readable[0] : readable[0] + guard]))


def _phases(inner: Samples) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Of each row: the tones, and how far they are from what a block sounds like."""
    # Over 8 ms, bin n of a Fourier transform is the tone of n * 125 Hz.
    tones = np.fft.rfft(inner, axis=1)[:, _TONES] * _START.conj()
    size = np.abs(tones).mean(axis=1, keepdims=True)
    tones = tones / np.maximum(size, 1e-9)
    ideal = (np.where(tones.real < 0, -1, 1) + 1j * np.where(tones.imag < 0, -1, 1)) / np.sqrt(2)
    distance: NDArray[np.float64] = np.sqrt((np.abs(tones - ideal) ** 2).mean(axis=1))
    return tones, distance


def _indices(tones: NDArray[np.complex128], distance: NDArray[np.float64]) -> NDArray[np.int64]:
    """Of each row: the number in it, or -1 where there is none."""
    digits = (tones.real < 0) + 2 * (tones.imag < 0).astype(np.uint64)
    # Wrapping at 2**64 leaves the lower 48 bits of the product as they are.
    indices = (digits @ _WEIGHTS * np.uint64(_GATHER)) % np.uint64(_WORD)
    sound = (distance <= _MAX_DISTANCE) & (indices < MAX_BLOCKS)
    return np.where(sound, indices.astype(np.int64), -1)
