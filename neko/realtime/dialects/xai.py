"""xAI's Grok Voice: OpenAI's GA events around a session object of its own.

Sources, as of November 2026: https://docs.x.ai/developers/model-capabilities/audio/speech-to-speech.md (the session,
the formats) and https://docs.x.ai/developers/models/speech-to-speech (120 minutes, 10 sessions at a time, $0.004 for
each item that a client creates: so what was said before goes into the instructions); from the realtime room of
github.com/pydantic/pydantic-ai, which was tried against the endpoint: it always speaks, `conversation.item.truncate`
cannot be relied on, and of an utterance that is still being transcribed `completed` may come more than once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from neko.realtime.dialects.base import DEFAULT_VOICE, Setup
from neko.realtime.dialects.beta import BetaDialect
from neko.realtime.dialects.realtime import HARMLESS, described
from neko.realtime.dialects.told import with_lines
from neko.realtime.session import Facts, ModelEvent, Tool

PCM_HZ = 24_000  # of the rates that it offers the one that it prefers
MAX_SESSION_S = 7200.0

# As OpenAI's GA has renamed them.
_OLDER = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_text.delta": "response.text.delta",
}


class XaiDialect(BetaDialect):
    """One session's dialect."""

    known: ClassVar[Facts] = Facts(hears_hz=PCM_HZ, speaks_hz=PCM_HZ, max_session_s=MAX_SESSION_S, sees=False)
    # Its codes are not OpenAI's, the words are.
    harmless: ClassVar[frozenset[str]] = HARMLESS | {"Cancellation failed: no active response found"}

    def session(self, setup: Setup) -> dict[str, Any]:
        pcm = {"format": {"type": "audio/pcm", "rate": PCM_HZ}}
        session: dict[str, Any] = {
            "instructions": with_lines(setup.instructions, self.told),
            "turn_detection": {"type": "server_vad"},
            "audio": {"input": pcm | {"transcription": {"language_hint": setup.language}}, "output": pcm},
        }
        if setup.voice != DEFAULT_VOICE:
            session["voice"] = setup.voice
        if setup.tools:
            session["tools"] = [self.tool(tool) for tool in setup.tools]
        return session

    def tool(self, tool: Tool) -> dict[str, Any]:
        return {"type": "function"} | described(tool)

    def opened(self, frame: Mapping[str, Any]) -> str | None:
        match frame:
            case {"type": "conversation.created", "conversation": {"id": str(conversation)}}:
                return super().opened({"type": "session.created", "session": {"id": conversation}})
            case _:
                return super().opened(frame)

    def _read(self, frame: Mapping[str, Any]) -> Iterator[ModelEvent]:
        match frame:
            case {"type": "conversation.item.input_audio_transcription.completed", "status": "in_progress"}:
                return
            case {"type": str(kind)} if kind in _OLDER:
                yield from super()._read({**frame, "type": _OLDER[kind]})
            case _:
                yield from super()._read(frame)
