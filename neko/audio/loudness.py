"""How loud a sound is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neko.audio.pcm import bytes_for

FULL_SCALE = 32768.0
LOUD = 300.0  # RMS of 16-bit samples, -41 dBFS: quiet speech is above that, a room and its microphone below
WINDOW_MS = 40  # a picture of a mouth every 40 ms is 25 a second, as films have; a shorter window would show the pitch
# The syllables of the embedded voice lie between -42 and -20 dBFS; below -50 there is breath.
SHUT_DB, OPEN_DB = -50.0, -20.0


def loud(pcm: bytes, rate: int) -> list[bool]:
    """For each 40 ms of PCM16 mono, the last one shorter, whether it may be speech."""
    return [bool(power > LOUD**2) for power in _power(pcm, rate)]


def loudness(pcm: bytes, rate: int) -> list[float]:
    """For each 40 ms of PCM16 mono, the last one shorter: 0 at -50 dBFS and below, 1 at -20 dBFS and above, linear
    between; dBFS are 20 log10 of the RMS over full scale (32768)."""
    # The floor keeps the logarithm of digital silence finite.
    decibels = 10 * np.log10(np.maximum(_power(pcm, rate) / FULL_SCALE**2, 1e-10))
    opened = np.clip((decibels - SHUT_DB) / (OPEN_DB - SHUT_DB), 0.0, 1.0)
    return [float(value) for value in opened.round(3)]


def _power(pcm: bytes, rate: int) -> NDArray[np.float64]:
    """The mean square of the samples, shape (windows,)."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    if not len(samples):
        return samples
    starts = np.arange(0, len(pcm), bytes_for(WINDOW_MS, rate)) // 2
    power: NDArray[np.float64] = np.add.reduceat(samples**2, starts) / np.diff(starts, append=len(samples))
    return power
