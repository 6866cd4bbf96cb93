"""The embedded Japanese voices. Mei is quick: Open JTalk, with dictionary and voice inside its package. The others are
Kokoro's, which sound like people and take several times as long."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from attrs import frozen

from neko.tts.errors import UnknownVoice, VoiceMissing
from neko.tts.kokoro import KOKORO_HZ, load, speak_sentence
from neko.tts.setup import PLAIN, Setup, own_or
from neko.tts.speakable import speakable
from neko.tts.voice import Voice, blocks

MEI = "mei"
MEI_HZ = 48_000
KOKORO = {name: f"jf_{name}" for name in ("alpha", "gongitsune", "nezumi", "tebukuro")} | {"kumo": "jm_kumo"}
VOICES = ("default", MEI, *KOKORO)


@frozen
class MeiVoice:
    """A `Voice`; some 0.1 s for each second of speech."""

    rate: int = MEI_HZ

    def synthesize(self, text: str) -> Iterator[bytes]:
        spoken = speakable(text)
        if not spoken:
            return
        try:
            from pyopenjtalk import tts
        except ImportError as error:
            raise VoiceMissing("pyopenjtalk-plus", extra="japanese") from error
        samples, _ = tts(spoken)  # at `MEI_HZ`, of the scale of PCM16, and a little beyond it
        yield from blocks(np.clip(samples, -32_768, 32_767).astype("<i2").tobytes(), self.rate)


@frozen
class KokoroVoice:
    """A `Voice`, of one of the speakers of the package."""

    speaker: str
    rate: int = KOKORO_HZ

    def synthesize(self, text: str) -> Iterator[bytes]:
        """Sentence by sentence; a cancel ends the sentence that is being made."""
        spoken = speakable(text)
        for sentence in load().sentences(spoken) if spoken else ():
            yield from blocks(speak_sentence(self.speaker, sentence), self.rate)


def open_voice(voice_id: str, _setup: Setup = PLAIN) -> Voice:
    """One of `VOICES`; `UnknownVoice` lists them."""
    name = own_or(MEI, voice_id)
    if name == MEI:
        return MeiVoice()
    if name not in KOKORO:
        raise UnknownVoice(voice_id, VOICES)
    return KokoroVoice(KOKORO[name])
