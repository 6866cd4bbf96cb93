"""Qwen-TTS Realtime of Alibaba: a WebSocket session for each sentence, which says itself when a text is complete.

https://help.aliyun.com/en/model-studio/qwen-tts-realtime-client-events and …-server-events, read in November 2026. The
address for the world outside China is wss://dashscope-intl.aliyuncs.com/api-ws/v1/realtime.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from attrs import frozen

from neko.tts.dialled import DialledVoice
from neko.tts.errors import VoiceFailed
from neko.tts.events import decoded
from neko.tts.lines import Call
from neko.tts.setup import PLAIN, Setup

LANGUAGES = {
    "zh": "Chinese",
    "en": "English",
    "de": "German",
    "it": "Italian",
    "pt": "Portuguese",
    "es": "Spanish",
    "ja": "Japanese",
    "ko": "Korean",
    "fr": "French",
    "ru": "Russian",
}


@frozen
class QwenVoice(DialledVoice):
    """A `Voice`. Its options are further fields of the session."""

    KIND = "qwen"
    URL = "wss://dashscope.aliyuncs.com/api-ws/v1/realtime"
    MODEL = "qwen3-tts-flash-realtime"
    VOICE = "Cherry"

    @property
    def address(self) -> str:
        return f"{self.url}?model={quote(self.model)}"

    def converse(self, call: Call, text: str) -> Iterator[bytes]:
        while True:
            match call.receive():
                case {"type": "session.created"}:
                    self._ask(call, text)
                case {"type": "response.audio.delta", "delta": str(sound)}:
                    yield decoded(self.who, sound)
                case {"type": "response.done"}:
                    call.send(_message("session.finish"))
                    return
                case {"type": "error", "error": {"message": str(message)}}:
                    raise VoiceFailed(self.who, f"says: {message}")

    def _ask(self, call: Call, text: str) -> None:
        language = LANGUAGES.get(self.setup.language.partition("-")[0], "Auto")
        session = self.setup.options(voice=self.speaker, language_type=language)
        session |= {"mode": "commit", "response_format": "pcm", "sample_rate": self.rate}
        call.send(_message("session.update", session=session))
        call.send(_message("input_text_buffer.append", text=text))
        call.send(_message("input_text_buffer.commit"))


def _message(kind: str, **fields: object) -> dict[str, Any]:
    return {"event_id": f"event_{uuid4().hex}", "type": kind, **fields}


def open_voice(voice_id: str, setup: Setup = PLAIN) -> QwenVoice:
    """Any id is taken: the server knows its voices."""
    return QwenVoice(voice_id, setup)
