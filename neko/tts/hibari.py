"""The embedded voice: Hibari, English, female, its model inside its package."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

from neko.tts.errors import UnknownVoice, VoiceMissing
from neko.tts.setup import PLAIN, Setup
from neko.tts.speakable import speakable
from neko.tts.voice import blocks

Floats = npt.NDArray[np.float32]

HIBARI_HZ = 24_000
SPEEDS = {"default": 1.0, "calm": 0.88, "lively": 1.14}
"""Voice ids and their pace. The package carries one speaker; others would have to be downloaded."""

# The model puts 0.3 s of silence before each sentence and 0.45 s behind it: a wait that the person would hear.
AUDIBLE = 0.003  # of full scale, -50 dB: below the softest consonant
LEAD = HIBARI_HZ * 40 // 1000  # samples kept before that: an "h" begins softly
PAUSE = HIBARI_HZ * 200 // 1000  # samples kept behind it: a breath between two phrases


@frozen
class HibariVoice:
    """The embedded voice at one pace; a `Voice`."""

    speed: float = 1.0
    rate: int = HIBARI_HZ

    def synthesize(self, text: str) -> Iterator[bytes]:
        """Sentence by sentence, so that the first is heard while the next is made; 30 to 75 ms each."""
        for sentence in load().stream(speakable(text), speed=self.speed):
            yield from blocks(_pcm16(_without_waits(sentence)), self.rate)


def open_voice(voice_id: str, _setup: Setup = PLAIN) -> HibariVoice:
    """One of `SPEEDS`; `UnknownVoice` lists them."""
    if voice_id not in SPEEDS:
        raise UnknownVoice(voice_id, tuple(SPEEDS))
    return HibariVoice(SPEEDS[voice_id])


@functools.cache
def load() -> Any:
    """The engine, once for the process. Blocks (0.3 s, and 0.3 s more in its first sentence).

    Two threads that are first at the same time load it twice, and one of the two is dropped.
    """
    try:
        from hibari import Hibari
    except ImportError as error:
        raise VoiceMissing("hibari-tts") from error
    return Hibari()


def _without_waits(samples: Floats) -> Floats:
    audible = np.flatnonzero(np.abs(samples) > AUDIBLE)
    if not audible.size:
        return samples[:0]
    return samples[max(0, audible[0] - LEAD) : audible[-1] + PAUSE]


def _pcm16(samples: Floats) -> bytes:
    scaled: Floats = np.clip(samples, -1.0, 1.0) * 32767
    return scaled.astype("<i2").tobytes()
