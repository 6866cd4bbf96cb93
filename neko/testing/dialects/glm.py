"""The GLM-Realtime dialect of Zhipu.

Source: GLM-Realtime-doc-for-llm.md in github.com/MetaGLM/glm-realtime-sdk (commit 1d68524), read in November 2026; the
memory of 2 minutes: https://docs.bigmodel.cn/cn/guide/models/sound-and-video/glm-realtime.

| fact | |
|---|---|
| longest session | not documented; the model remembers the last 2 minutes |
| says so before | no |
| resume handle | none |
| two sessions at once | allowed, 5 to 20 per account |
| sound | in: a WAV of 16 kHz per append, or PCM16 at 16 kHz; out: PCM16 mono, 24 kHz |

Peculiar: `client_vad` (turns by hand) unless `server_vad` is asked for, so an update without `turn_detection` switches
it off; `beta_fields.chat_mode` is required; utterances are always transcribed; a `heartbeat` with each update and every
30 s; tools are called without deltas, and their results come without a call_id; of the beta's events only those of
`sends` are documented.
"""

from __future__ import annotations

import wave
from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import evolve

from neko.audio.pcm import BYTES_PER_SAMPLE
from neko.testing.dialects.beta import Beta
from neko.testing.exchange import AddItem, Alive, Configured, Event, Hear, Refused, See

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from neko.testing.dialects import Opening
    from neko.testing.exchange import Fact, HangUp, Request, Settings

CLIENT_VAD = {"type": "client_vad"}


class Glm(Beta):
    """One session's codec."""

    path: ClassVar[str] = "/api/paas/v4/realtime"
    hears_hz: ClassVar[int] = 16_000
    heartbeat_s: ClassVar[float | None] = 30
    formats: ClassVar[dict[str, tuple[str, ...]]] = {
        "input_audio_format": ("wav", "pcm", "pcm16"),
        "output_audio_format": ("pcm",),
    }
    takes: ClassVar[frozenset[str]] = frozenset(
        {
            "session.update",
            "input_audio_buffer.append",
            "input_audio_buffer.commit",
            "input_audio_buffer.clear",
            "response.create",
            "response.cancel",
        }
    )
    sends: ClassVar[frozenset[str] | None] = frozenset(
        {
            "error",
            "session.created",
            "session.updated",
            "heartbeat",
            "conversation.item.created",
            "conversation.item.input_audio_transcription.completed",
            "input_audio_buffer.committed",
            "input_audio_buffer.cleared",
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "response.created",
            "response.audio.delta",
            "response.audio_transcript.delta",
            "response.text.delta",
            "response.text.done",
            "response.function_call_arguments.done",
            "response.done",
        }
    )

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening, _session(opening))

    @property
    def settings(self) -> Settings:
        settings = super().settings
        by_server = self.session["turn_detection"]["type"] == "server_vad"
        return evolve(settings, transcribes=True, turn_detection=settings.turn_detection if by_server else None)

    def readers(self) -> dict[str, Callable[[Event], Request]]:
        return super().readers() | {
            "conversation.item.create": lambda event: AddItem({**event["item"], "type": event["item"]["type"]}),
            "input_audio_buffer.append_video_frame": lambda _: See(),
        }

    def change(self, changes: Event) -> Refused | None:
        if "chat_mode" not in changes.get("beta_fields", {}):
            return Refused("missing_required_parameter", "beta_fields.chat_mode is required.", "session.beta_fields")
        return super().change({**changes, "turn_detection": changes.get("turn_detection") or dict(CLIENT_VAD)})

    def hear(self, event: Event) -> Hear | Refused:
        heard = super().hear(event)
        if isinstance(heard, Refused) or self.session["input_audio_format"] != "wav":
            return heard
        return _unwrapped(heard.pcm)

    def tell(self, fact: Fact) -> Iterator[Event | HangUp]:
        yield from super().tell(fact)
        if isinstance(fact, Configured | Alive):
            yield {"type": "heartbeat"}


def _unwrapped(wav: bytes) -> Hear | Refused:
    try:
        with wave.open(BytesIO(wav)) as sound:
            shape = sound.getframerate(), sound.getnchannels(), sound.getsampwidth()
            pcm = sound.readframes(sound.getnframes())
    except (wave.Error, EOFError):
        return Refused("invalid_audio", "The audio is not a WAV file.", "audio")
    if shape != (Glm.hears_hz, 1, BYTES_PER_SAMPLE):
        return Refused("invalid_audio", f"This simulator hears PCM16 mono at {Glm.hears_hz} Hz only.", "audio")
    return Hear(pcm)


def _session(opening: Opening) -> dict[str, Any]:
    return {
        "object": "realtime.session",
        "id": opening.session_id,
        "model": opening.model,
        "modalities": ["text", "audio"],
        "instructions": "",
        "input_audio_format": "wav",
        "output_audio_format": "pcm",
        "input_audio_transcription": None,
        "turn_detection": dict(CLIENT_VAD),
        "tools": [],
        "beta_fields": {"chat_mode": "audio", "tts_source": "e2e", "auto_search": True},
    }
