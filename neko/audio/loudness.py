"""How loud a sound is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from neko.audio.pcm import BYTES_PER_SAMPLE, bytes_for

FULL_SCALE = 32768.0
LOUD = 300.0  # RMS of 16-bit samples, -41 dBFS: quiet speech is above that, a room and its microphone below
WINDOW_MS = 40  # a picture of a mouth every 40 ms is 25 a second, as films have; a shorter window would show the pitch
# The syllables of the embedded voice lie between -42 and -20 dBFS; below -50 there is breath.
SHUT_DB, OPEN_DB = -50.0, -20.0


def loud(pcm: bytes, rate: int) -> Iterator[tuple[int, bool]]:
    """For each 40 ms of PCM16 mono how many bytes they are and whether they may be speech.

    A rest of less than half of that belongs to the window before it: a few samples do not average a hum.
    """
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    step, begin = bytes_for(WINDOW_MS, rate) // BYTES_PER_SAMPLE, 0
    while begin < len(samples):
        rest = samples[begin:]
        window = rest[:step] if len(rest) >= 1.5 * step else rest
        yield len(window) * BYTES_PER_SAMPLE, float(window @ window) > LOUD**2 * len(window)
        begin += len(window)


def loudness(pcm: bytes, rate: int) -> list[float]:
    """For each 40 ms of PCM16 mono, the last one shorter: 0 at -50 dBFS and below, 1 at -20 dBFS and above, linear
    between; dBFS are 20 log10 of the RMS over full scale (32768)."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    if not len(samples):
        return []
    starts = np.arange(0, len(pcm), bytes_for(WINDOW_MS, rate)) // BYTES_PER_SAMPLE
    power = np.add.reduceat(samples**2, starts) / np.diff(starts, append=len(samples))
    # The floor keeps the logarithm of digital silence finite.
    decibels = 10 * np.log10(np.maximum(power / FULL_SCALE**2, 1e-10))
    opened = np.clip((decibels - SHUT_DB) / (OPEN_DB - SHUT_DB), 0.0, 1.0)
    return [float(value) for value in opened.round(3)]
