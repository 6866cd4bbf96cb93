"""GPT-SoVITS on a machine of one's own: `api_v2.py`, which streams a WAV while it is made.

https://github.com/RVC-Boss/GPT-SoVITS/blob/main/api_v2.py, read in November 2026. Its models speak at 24, 32 or 48 kHz;
the WAV says which.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from attrs import frozen

from neko.audio.resample import SpeechResampler
from neko.tts.errors import SettingMissing
from neko.tts.remote import RemoteVoice
from neko.tts.setup import DEFAULT_VOICE, PLAIN, Setup
from neko.tts.voice import whole_samples
from neko.tts.wav import unwrapped

SPOKEN = ("zh", "en", "ja", "ko", "yue")  # others are left to the server, which guesses


@frozen
class GptSovitsVoice(RemoteVoice):
    """A `Voice`. Its id is the path of the reference recording, as the server sees it."""

    KIND = "gpt-sovits"
    URL = "http://127.0.0.1:9880"
    MODEL = ""  # the server has one loaded
    VOICE = ""
    HZ = 48_000  # whatever the model makes, brought to what is played
    AT_ONCE = 1  # the server has one pipeline, and no lock around it

    def sound(self, text: str) -> Generator[bytes]:
        with self.setup.lines.post(self.who, f"{self.url}/tts", self.setup.bearer, self._request(text)) as answer:
            hz, pcm = unwrapped(self.who, answer)
            pieces = whole_samples(pcm, hz or self.rate)
            yield from pieces if hz in (0, self.rate) else _resampled(pieces, hz, self.rate)

    def _request(self, text: str) -> dict[str, Any]:
        language = self.setup.language.partition("-")[0]
        spoken = language if language in SPOKEN else "auto"
        ours = {"text_lang": spoken, "prompt_lang": spoken, "prompt_text": "", "ref_audio_path": self.speaker}
        return self.setup.options(**ours) | {"text": text, "media_type": "wav", "streaming_mode": True}


def _resampled(pieces: Iterator[bytes], hz: int, to_hz: int) -> Iterator[bytes]:
    resampler = SpeechResampler(hz, to_hz)
    for piece in pieces:
        yield resampler.push(piece)
    yield from whole_samples([resampler.flush()], to_hz)


def open_voice(voice_id: str, setup: Setup = PLAIN) -> GptSovitsVoice:
    """Any id is taken: the server knows its files."""
    if voice_id == DEFAULT_VOICE and "ref_audio_path" not in setup.settings.options:
        raise SettingMissing(GptSovitsVoice.KIND, "voice", "the path of a reference recording, as the server sees it")
    return GptSovitsVoice(voice_id, setup)
