"""Streaming speech of StepFun: a WebSocket session for each sentence, PCM in base64.

https://platform.stepfun.com/docs/zh/api-reference/audio/ws_audio, read in November 2026.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from attrs import frozen

from neko.tts.dialled import DialledVoice
from neko.tts.errors import VoiceFailed
from neko.tts.events import decoded
from neko.tts.lines import Call
from neko.tts.setup import PLAIN, Setup


@frozen
class StepVoice(DialledVoice):
    """A `Voice`. Its options are further fields of `tts.create`."""

    KIND = "step"
    URL = "wss://api.stepfun.com/v1/realtime/audio"
    MODEL = "step-tts-2"
    VOICE = "cixingnansheng"

    @property
    def address(self) -> str:
        return f"{self.url}?model={quote(self.model)}"

    def converse(self, call: Call, text: str) -> Iterator[bytes]:
        while True:
            match call.receive():
                case {"type": "tts.connection.done", "data": {"session_id": str(session)}}:
                    call.send(_message("tts.create", session, self._session()))
                case {"type": "tts.response.created", "data": {"session_id": str(session)}}:
                    call.send(_message("tts.text.delta", session, {"text": text}))
                    call.send(_message("tts.text.done", session, {}))
                case {"type": "tts.response.audio.delta", "data": {"audio": str(sound)}}:
                    yield decoded(self.who, sound)
                # Its table calls the end by one name and its examples by the other.
                case {"type": "tts.response.audio.done" | "response.audio.done"}:
                    return
                case {"type": "tts.response.error", "data": {"message": str(message)}}:
                    raise VoiceFailed(self.who, f"says: {message}")

    def _session(self) -> dict[str, Any]:
        return self.setup.options(voice_id=self.speaker) | {"response_format": "pcm", "sample_rate": self.rate}


def _message(kind: str, session: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "data": {"session_id": session, **data}}


def open_voice(voice_id: str, setup: Setup = PLAIN) -> StepVoice:
    """Any id is taken, also one of a cloned voice."""
    return StepVoice(voice_id, setup)
