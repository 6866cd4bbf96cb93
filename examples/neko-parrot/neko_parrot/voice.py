"""A voice that squawks once for each word."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from attrs import frozen

from neko.tts.errors import UnknownVoice
from neko.tts.setup import PLAIN, Setup

SQUAWK_MS = 90  # a block: neko asks for at most 100 ms at a time, so that an interruption is heard at once
PITCHES = {"default": 900, "old": 500}  # Hz


@frozen
class Squawk:
    """A `neko.tts.voice.Voice`."""

    pitch: int
    rate: int = 24_000

    def synthesize(self, text: str) -> Iterator[bytes]:
        """Runs in a thread of neko's and may block; each block that it yields is heard before the next is made."""
        at = np.arange(self.rate * SQUAWK_MS // 1000) / self.rate
        squawk = 8_000 * np.sin(2 * np.pi * self.pitch * at * (1 + at)) * np.hanning(len(at))
        for _ in text.split():
            yield squawk.astype("<i2").tobytes()


def open_voice(voice_id: str, _setup: Setup = PLAIN, /) -> Squawk:
    """`_setup` would bring the URL and the key that a character's voice has in `[voices.NAME]`."""
    if voice_id not in PITCHES:
        raise UnknownVoice(voice_id, tuple(PITCHES))
    return Squawk(PITCHES[voice_id])
