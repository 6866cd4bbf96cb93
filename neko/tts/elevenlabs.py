"""ElevenLabs: one request for each sentence, PCM as it is made.

https://elevenlabs.io/docs/api-reference/text-to-speech/stream, read in November 2026. Its WebSocket takes words as they
come; we have sentences, for which it would be one more handshake each.
"""

from __future__ import annotations

from collections.abc import Generator
from urllib.parse import quote

from attrs import frozen

from neko.tts.remote import RemoteVoice
from neko.tts.setup import PLAIN, Setup


@frozen
class ElevenLabsVoice(RemoteVoice):
    """A `Voice`; its id is one of the account's voices, such as "JBFqnCBsd6RMkjVDRZzb"."""

    KIND = "elevenlabs"
    URL = "https://api.elevenlabs.io"
    MODEL = "eleven_flash_v2_5"
    VOICE = "JBFqnCBsd6RMkjVDRZzb"

    def sound(self, text: str) -> Generator[bytes]:
        url = f"{self.url}/v1/text-to-speech/{quote(self.speaker, safe='')}/stream?output_format=pcm_{self.rate}"
        body = self.setup.options(text=text, model_id=self.model)
        with self.setup.lines.post(self.who, url, self._headers, body) as pieces:
            yield from pieces

    def check(self) -> str:
        self.setup.lines.get(self.who, f"{self.url}/v1/voices/{quote(self.speaker, safe='')}", self._headers)
        return f"{self.url} takes the key and has the voice {self.speaker}"

    @property
    def _headers(self) -> dict[str, str]:
        return {"xi-api-key": self.setup.api_key} if self.setup.api_key else {}


def open_voice(voice_id: str, setup: Setup = PLAIN) -> ElevenLabsVoice:
    """Any id is taken: the server knows the account's voices."""
    return ElevenLabsVoice(voice_id, setup)
