"""OpenAI's speech endpoint, and the many servers that speak it: one request for each sentence, PCM as it is made.

https://platform.openai.com/docs/api-reference/audio/createSpeech; `response_format` "pcm" is 24 kHz there; of
another server the option `sample_rate` says it.
"""

from __future__ import annotations

from collections.abc import Generator

from attrs import frozen

from neko.tts.remote import RemoteVoice
from neko.tts.setup import PLAIN, Setup


@frozen
class OpenAiVoice(RemoteVoice):
    """A `Voice`."""

    KIND = "openai"
    URL = "https://api.openai.com/v1"
    MODEL = "gpt-4o-mini-tts"
    VOICE = "alloy"

    def check(self) -> str:
        self.setup.lines.get(self.who, f"{self.url}/models", self.setup.bearer)
        return f"{self.url} takes the key"

    def sound(self, text: str) -> Generator[bytes]:
        body = self.setup.options(model=self.model, voice=self.speaker, input=text) | {"response_format": "pcm"}
        with self.setup.lines.post(self.who, f"{self.url}/audio/speech", self.setup.bearer, body) as pieces:
            yield from pieces


def open_voice(voice_id: str, setup: Setup = PLAIN) -> OpenAiVoice:
    """Any id is taken: the server knows its voices."""
    return OpenAiVoice(voice_id, setup)
