"""CosyVoice of Alibaba, cloned voices included: a WebSocket task for each sentence, sound in binary frames.

https://help.aliyun.com/en/model-studio/cosyvoice-websocket-api, read in November 2026. The address for the world
outside China is wss://dashscope-intl.aliyuncs.com/api-ws/v1/inference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from attrs import frozen

from neko.tts.dialled import DialledVoice
from neko.tts.errors import VoiceFailed
from neko.tts.lines import Call
from neko.tts.setup import PLAIN, Setup


@frozen
class CosyVoice(DialledVoice):
    """A `Voice`. Its options are further parameters of the task."""

    KIND = "cosyvoice"
    URL = "wss://dashscope.aliyuncs.com/api-ws/v1/inference"
    MODEL = "cosyvoice-v3-flash"
    VOICE = "longanyang"

    def converse(self, call: Call, text: str) -> Iterator[bytes]:
        task = str(uuid4())
        call.send(_message("run-task", task, self._task()))
        while True:
            match call.receive():
                case bytes(sound):
                    yield sound
                case {"header": {"event": "task-started"}}:
                    call.send(_message("continue-task", task, {"input": {"text": text}}))
                    call.send(_message("finish-task", task, {"input": {}}))
                case {"header": {"event": "task-finished"}}:
                    return
                case {"header": {"event": "task-failed", "error_code": code, "error_message": message}}:
                    raise VoiceFailed(self.who, f"says: {message} ({code})")

    def _task(self) -> dict[str, Any]:
        parameters = self.setup.options(text_type="PlainText", voice=self.speaker)
        return {
            "task_group": "audio",
            "task": "tts",
            "function": "SpeechSynthesizer",
            "model": self.model,
            "parameters": parameters | {"format": "pcm", "sample_rate": self.rate},
            "input": {},
        }


def _message(action: str, task: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {"header": {"action": action, "task_id": task, "streaming": "duplex"}, "payload": payload}


def open_voice(voice_id: str, setup: Setup = PLAIN) -> CosyVoice:
    """Any id is taken, also one of a cloned voice."""
    return CosyVoice(voice_id, setup)
