"""GLM-TTS of Zhipu: server-sent events with PCM in base64.

https://docs.bigmodel.cn/cn/guide/models/sound-and-video/glm-tts, read in November 2026.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from attrs import frozen

from neko.tts.errors import VoiceFailed
from neko.tts.events import decoded, events
from neko.tts.remote import RemoteVoice
from neko.tts.setup import PLAIN, Setup


@frozen
class GlmVoice(RemoteVoice):
    """A `Voice`."""

    KIND = "glm"
    URL = "https://open.bigmodel.cn/api/paas/v4"
    MODEL = "glm-tts"
    VOICE = "tongtong"

    def sound(self, text: str) -> Generator[bytes]:
        body = self.setup.options(model=self.model, voice=self.speaker, input=text, stream=True)
        body |= {"response_format": "pcm", "encode_format": "base64"}
        with self.setup.lines.post(self.who, f"{self.url}/audio/speech", self.setup.bearer, body) as answer:
            yield from self._pcm(answer)

    def _pcm(self, answer: Iterator[bytes]) -> Iterator[bytes]:
        over = False
        for event in events(self.who, answer):
            match event:
                case {"error": {"message": str(message)}}:
                    raise VoiceFailed(self.who, f"says: {message}")
                case {"choices": [choice, *_]}:
                    over = over or choice.get("finish_reason") is not None
                    yield decoded(self.who, choice.get("delta", {}).get("content") or "")
        if not over:
            raise VoiceFailed(self.who, "broke off")


def open_voice(voice_id: str, setup: Setup = PLAIN) -> GlmVoice:
    """Any id is taken, also one of a cloned voice."""
    return GlmVoice(voice_id, setup)
