"""OpenAI Realtime as it was in its beta.

Sources, read in November 2026: https://learn.microsoft.com/azure/ai-services/openai/realtime-audio-reference and the
package `openai`, `types/beta/realtime`.

| fact | |
|---|---|
| longest session | 30 minutes, then the error `session_expired` |
| says so before | no |
| resume handle | none |
| two sessions at once | allowed |
| sound | PCM16 mono, 24 kHz both ways |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from neko.testing.dialects.beta import Beta
from neko.testing.dialects.openai_events import events
from neko.testing.exchange import Event, Expired, HangUp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neko.testing.dialects import Opening
    from neko.testing.exchange import Fact


class OpenAIBeta(Beta):
    """One session's codec."""

    path: ClassVar[str] = "/v1/realtime"
    max_session_s: ClassVar[float | None] = 1800
    formats: ClassVar[dict[str, tuple[str, ...]]] = {
        "input_audio_format": ("pcm16", "g711_ulaw", "g711_alaw"),
        "output_audio_format": ("pcm16", "g711_ulaw", "g711_alaw"),
    }
    takes: ClassVar[frozenset[str]] = frozenset(
        {
            "session.update",
            "input_audio_buffer.append",
            "input_audio_buffer.commit",
            "input_audio_buffer.clear",
            "conversation.item.create",
            "conversation.item.truncate",
            "conversation.item.delete",
            "response.create",
            "response.cancel",
        }
    )

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening, _session(opening))

    def tell(self, fact: Fact) -> Iterator[Event | HangUp]:
        if isinstance(fact, Expired):
            yield from events(fact, self.session, None)
            return
        for event in super().tell(fact):
            yield event if isinstance(event, HangUp) else _as_it_was(event)


def _as_it_was(event: Event) -> Event:
    """Which tool is called stands in the item alone."""
    if event["type"] != "response.function_call_arguments.done":
        return event
    return {key: value for key, value in event.items() if key != "name"}


def _session(opening: Opening) -> dict[str, Any]:
    return {
        "object": "realtime.session",
        "id": opening.session_id,
        "model": opening.model,
        "modalities": ["text", "audio"],
        "voice": "alloy",
        "instructions": "",
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "input_audio_transcription": None,
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
            "create_response": True,
            "interrupt_response": True,
        },
        "tools": [],
        "tool_choice": "auto",
        "temperature": 0.8,
        "max_response_output_tokens": "inf",
    }
