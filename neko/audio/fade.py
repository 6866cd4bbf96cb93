"""The end of a sound that is cut: it falls to silence, where a step would be heard as a click."""

from __future__ import annotations

import numpy as np

from neko.audio.pcm import BYTES_PER_SAMPLE, bytes_for

FADE_MS = 8  # below 5 ms a fade is a click itself, above 10 ms it is heard as the word going on


def fade_out(pcm: bytes, hz: int) -> bytes:
    """PCM16 mono at `hz` whose last `FADE_MS` fall to zero; a shorter sound falls over all its length.

    The gain is the falling half of an equal-power crossfade, cos(x π/2) for x from 0 to 1, as in the algorithm of the
    Web Audio API's StereoPannerNode. The last sample is zero. Half a sample at the end is dropped.
    """
    samples = np.frombuffer(pcm[: len(pcm) - len(pcm) % BYTES_PER_SAMPLE], dtype="<i2")
    length = min(len(samples), bytes_for(FADE_MS, hz) // BYTES_PER_SAMPLE)
    gain = np.cos(np.pi / 2 * np.arange(1, length + 1) / max(1, length))
    faded: bytes = np.rint(samples[len(samples) - length :] * gain).astype("<i2").tobytes()
    return samples[: len(samples) - length].tobytes() + faded


def faded_beginning(pcm: bytes, hz: int) -> bytes:
    """The first `FADE_MS` of a sound that is not to be heard any further."""
    return fade_out(pcm[: bytes_for(FADE_MS, hz)], hz)
