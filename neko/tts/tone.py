"""A voice of short tones, one for each word: for tests and for the scripted persona."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from attrs import frozen

from neko.tts.setup import PLAIN, Setup
from neko.tts.speakable import speakable

TONE_HZ = 24_000
BLIP_MS = 80
REST_MS = 20  # blip and rest are one block of 100 ms
LOWEST_PITCH = 220  # Hz
STEPS = 24  # half tones: two octaves, so that neighbouring words differ to the ear
LOUDNESS = 0.2  # of full scale


@frozen
class ToneVoice:
    """Deterministic: the same text and voice id are always the same samples. A `Voice`."""

    voice_id: str = "default"
    rate: int = TONE_HZ

    def synthesize(self, text: str) -> Iterator[bytes]:
        """100 ms for each word."""
        for word in speakable(text).split():
            yield self._blip(sum(map(ord, self.voice_id + word)) % STEPS)

    def _blip(self, step: int) -> bytes:
        at = np.arange(self.rate * BLIP_MS // 1000) / self.rate
        pitch = LOWEST_PITCH * 2 ** (step / 12)
        # A half sine over the whole: a tone that begins at once would click.
        tone = np.sin(2 * np.pi * pitch * at) * np.sin(np.pi * at / at[-1]) * LOUDNESS
        return np.append((tone * 32767).astype("<i2"), np.zeros(self.rate * REST_MS // 1000, "<i2")).tobytes()


def open_voice(voice_id: str, _setup: Setup = PLAIN) -> ToneVoice:
    """Any id is a voice; each sounds different."""
    return ToneVoice(voice_id)
