"""The Step realtime dialect of StepFun.

Sources, read in November 2026: https://platform.stepfun.com/docs/zh/api-reference/realtime/chat.md,
https://platform.stepfun.ai/docs/en/guides/developer/realtime, for the defaults and the events that a client listens to
the vendor's own console, github.com/stepfun-ai/Step-Realtime-Console, and for the shape of a tool the original N.E.K.O.
(main_logic/omni_realtime_client.py), which talks to the vendor's endpoint.

| fact | |
|---|---|
| longest session | not documented |
| says so before | no |
| resume handle | none |
| two sessions at once | allowed |
| sound | PCM16 mono, 24 kHz both ways |

Peculiar: without `turn_detection` in `session.update` there is no server VAD, the voice cannot be changed once the
model has spoken, and a tool is wrapped in `function`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from neko.testing.dialects.beta import Beta
from neko.testing.exchange import Event, Refused, ReplySound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neko.testing.dialects import Opening
    from neko.testing.exchange import Fact, HangUp


class Step(Beta):
    """One session's codec."""

    path: ClassVar[str] = "/v1/realtime"
    formats: ClassVar[dict[str, tuple[str, ...]]] = {
        "input_audio_format": ("pcm16",),
        "output_audio_format": ("pcm16",),
    }
    takes: ClassVar[frozenset[str]] = frozenset(
        {
            "session.update",
            "input_audio_buffer.append",
            "input_audio_buffer.commit",
            "input_audio_buffer.clear",
            "conversation.item.create",
            "conversation.item.delete",
            "response.create",
            "response.cancel",
        }
    )

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening, _session(opening))
        self._has_spoken = False

    def tool_name(self, tool: Event) -> str:
        return str(tool["function"]["name"])

    def change(self, changes: Event) -> Refused | None:
        if self._has_spoken and changes.get("voice", self.session["voice"]) != self.session["voice"]:
            return Refused("cannot_update_voice", "The voice cannot be changed any more.", "session.voice")
        return super().change(changes)

    def tell(self, fact: Fact) -> Iterator[Event | HangUp]:
        self._has_spoken = self._has_spoken or isinstance(fact, ReplySound)
        return super().tell(fact)


def _session(opening: Opening) -> dict[str, Any]:
    return {
        "object": "realtime.session",
        "id": opening.session_id,
        "model": opening.model,
        "modalities": ["text", "audio"],
        "voice": "jingdiannvsheng",
        "instructions": "",
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "input_audio_transcription": None,
        "turn_detection": None,
        "tools": [],
        "tool_choice": "auto",
        "temperature": 0.8,
    }
