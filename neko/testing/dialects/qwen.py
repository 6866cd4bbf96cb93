"""The Qwen-Omni-Realtime dialect of Alibaba Cloud Model Studio.

Sources, read in November 2026: https://www.alibabacloud.com/help/en/model-studio/client-events (16 June 2026),
…/server-events (31 March 2026) and …/realtime.

| fact | |
|---|---|
| longest session | 120 minutes |
| says so before | no |
| resume handle | none |
| two sessions at once | allowed |
| sound | PCM16 mono, 16 kHz in, 24 kHz out |

Peculiar: speech without text (`["audio"]`) is refused, server VAD waits 800 ms, a tool is wrapped in `function`,
utterances are transcribed unless that is switched off, pictures come as `input_image_buffer.append`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from neko.testing.dialects.beta import Beta
from neko.testing.exchange import Event, Refused, See

if TYPE_CHECKING:
    from collections.abc import Callable

    from neko.testing.dialects import Opening
    from neko.testing.exchange import Request

_MODALITIES = (["text"], ["text", "audio"], ["audio", "text"])


class Qwen(Beta):
    """One session's codec."""

    path: ClassVar[str] = "/api-ws/v1/realtime"
    hears_hz: ClassVar[int] = 16_000
    max_session_s: ClassVar[float | None] = 7200
    silence_ms: ClassVar[int] = 800
    # "pcm" since 2026; "pcm16" and "pcm24" in the documents before.
    formats: ClassVar[dict[str, tuple[str, ...]]] = {
        "input_audio_format": ("pcm", "pcm16"),
        "output_audio_format": ("pcm", "pcm24"),
    }
    takes: ClassVar[frozenset[str]] = frozenset(
        {
            "session.update",
            "input_audio_buffer.append",
            "input_audio_buffer.commit",
            "input_audio_buffer.clear",
            "conversation.item.create",
            "response.create",
            "response.cancel",
        }
    )

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening, _session(opening))

    def readers(self) -> dict[str, Callable[[Event], Request]]:
        return super().readers() | {"input_image_buffer.append": lambda _: See()}

    def tool_name(self, tool: Event) -> str:
        return str(tool["function"]["name"])

    def change(self, changes: Event) -> Refused | None:
        modalities = changes.get("modalities")
        if modalities is not None and modalities not in _MODALITIES:
            message = f"Invalid modalities: {modalities}. Supported combinations are: ['text'] and ['audio', 'text']."
            return Refused("invalid_value", message, "session.modalities")
        return super().change(changes)


def _session(opening: Opening) -> dict[str, Any]:
    return {
        "object": "realtime.session",
        "id": opening.session_id,
        "model": opening.model,
        "modalities": ["text", "audio"],
        "voice": "Cherry",
        "instructions": "",
        "input_audio_format": "pcm",
        "output_audio_format": "pcm",
        "input_audio_transcription": {"model": "qwen3-asr-flash-realtime"},
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 800,
            "create_response": True,
            "interrupt_response": True,
        },
        "tools": [],
        "tool_choice": "auto",
        "temperature": 0.8,
    }
