"""Gemini's speech models: generated content that is sound, in server-sent events with PCM in base64.

https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/speech/text-to-speech, read in November 2026.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Any

from attrs import frozen

from neko.tts.errors import VoiceFailed
from neko.tts.events import decoded, events
from neko.tts.remote import RemoteVoice
from neko.tts.setup import PLAIN, Setup


@frozen
class GeminiVoice(RemoteVoice):
    """A `Voice`. Its options are further fields of `generationConfig`."""

    KIND = "gemini"
    URL = "https://generativelanguage.googleapis.com/v1beta"
    MODEL = "gemini-3.8-flash-lite-tts"
    VOICE = "Kore"

    def sound(self, text: str) -> Generator[bytes]:
        url = f"{self.url}/models/{self.model}:streamGenerateContent?alt=sse"
        with self.setup.lines.post(self.who, url, self._headers, self._request(text)) as answer:
            yield from self._pcm(answer)

    def check(self) -> str:
        self.setup.lines.get(self.who, f"{self.url}/models/{self.model}", self._headers)
        return f"{self.url} takes the key and has {self.model}"

    @property
    def _headers(self) -> dict[str, str]:
        return {"x-goog-api-key": self.setup.api_key} if self.setup.api_key else {}

    def _request(self, text: str) -> dict[str, Any]:
        speech = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": self.speaker}}}
        config = self.setup.options(responseModalities=["AUDIO"], speechConfig=speech)
        return {"contents": [{"parts": [{"text": text}]}], "generationConfig": config}

    def _pcm(self, answer: Iterator[bytes]) -> Iterator[bytes]:
        reason = None
        for event in events(self.who, answer):
            match event:
                case {"error": {"message": str(message)}}:
                    raise VoiceFailed(self.who, f"says: {message}")
                case {"candidates": [candidate, *_]}:
                    reason = candidate.get("finishReason", reason)
                    for part in candidate.get("content", {}).get("parts", ()):
                        yield self._part(part)
        if reason != "STOP":
            raise VoiceFailed(self.who, f"stopped because of {reason}" if reason else "broke off")

    def _part(self, part: dict[str, Any]) -> bytes:
        match part:
            case {"inlineData": {"data": str(data), "mimeType": str(kind)}}:
                found = re.search(r"rate=(\d+)", kind)
                if found and int(found[1]) != self.rate:
                    raise VoiceFailed(self.who, f"sends {kind}: set options.sample_rate to {found[1]}", permanent=True)
                return decoded(self.who, data)
            case _:
                return b""


def open_voice(voice_id: str, setup: Setup = PLAIN) -> GeminiVoice:
    """Any id is taken: the server knows its voices."""
    return GeminiVoice(voice_id, setup)
