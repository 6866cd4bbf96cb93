"""The OpenAI Realtime GA dialect, as https://platform.openai.com/docs/api-reference/realtime describes it.

| fact | |
|---|---|
| longest session | 60 minutes, then the error `session_expired` and close 1001 |
| says so before | no event; `session.expires_at` in `session.created` names the time |
| resume handle | none: a new session knows nothing of the old one |
| two sessions at once | allowed |
| sound | PCM16 mono, 24 kHz both ways |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from neko.testing.dialects import openai_shapes as shapes
from neko.testing.dialects.realtime import RealtimeDialect, merge, turn_detection
from neko.testing.exchange import Event, Refused, Settings

if TYPE_CHECKING:
    from neko.testing.dialects import Opening


class OpenAI(RealtimeDialect):
    """One session's codec."""

    path: ClassVar[str] = "/v1/realtime"
    max_session_s: ClassVar[float | None] = 3600

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening, shapes.session(opening.session_id, opening.model, opening.expires_at))

    @property
    def settings(self) -> Settings:
        hearing = self.session["audio"]["input"]
        return Settings(
            turn_detection=turn_detection(hearing["turn_detection"]),
            transcribes=hearing["transcription"] is not None,
            speaks="audio" in self.session["output_modalities"],
            tools=frozenset(tool["name"] for tool in self.session["tools"]),
        )

    def change(self, changes: Event) -> Refused | None:
        if changes.get("type") != "realtime":
            return Refused("missing_required_parameter", "Missing required parameter: 'session.type'.", "session.type")
        merge(self.session, changes)
        return None
