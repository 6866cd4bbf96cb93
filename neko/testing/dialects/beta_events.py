"""From the names of the Realtime GA API to those of its beta, which the API's kin still use.

The beta's own list: https://learn.microsoft.com/azure/ai-services/openai/realtime-audio-reference
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neko.testing.exchange import Event

_RENAMED = {
    "conversation.item.added": "conversation.item.created",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
}
_UNKNOWN = {"conversation.item.done", "conversation.item.input_audio_transcription.delta"}


def beta(event: Event) -> Event | None:
    """The event as the beta puts it; None when it has no such event."""
    kind = event["type"]
    if kind in _UNKNOWN:
        return None
    renamed = event | {"type": _RENAMED.get(kind, kind)}
    if "item" in event:
        renamed["item"] = _item(event["item"])
    if "response" in event:
        renamed["response"] = _response(event["response"])
    return renamed


def _item(item: Event) -> Event:
    if "content" not in item:
        return item
    return item | {"content": [{**part, "type": part["type"].removeprefix("output_")} for part in item["content"]]}


def _response(response: Event) -> Event:
    old = {key: value for key, value in response.items() if key not in ("output_modalities", "audio")}
    modalities = ["text", "audio"] if "audio" in response["output_modalities"] else ["text"]
    return old | {"modalities": modalities, "output": [_item(item) for item in response["output"]]}
