"""What OpenAI's Realtime API and its kin say in the same words, whichever names they have for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import pybase64

from neko.protocol.errors import StatusCode
from neko.realtime.errors import Arrears, KeyRejected, PolicyViolation, ProviderError, RateLimited, SessionLost
from neko.realtime.session import (
    Complaint,
    ModelEvent,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    SpeechStarted,
    SpeechStopped,
    Tool,
    UserSaid,
)

ENDINGS: dict[str, type[ProviderError]] = {
    "invalid_api_key": KeyRejected,
    "insufficient_quota": Arrears,
    "rate_limit_exceeded": RateLimited,
    "session_expired": SessionLost,
    "content_policy_violation": PolicyViolation,
}

# What happens when the server's own voice detection was quicker than we were.
HARMLESS = frozenset({"response_cancel_not_active"})

# "incomplete" is a reply that reached its token limit or a content filter: what was said stands.
_STATUS = {
    "completed": ReplyStatus.COMPLETED,
    "incomplete": ReplyStatus.COMPLETED,
    "cancelled": ReplyStatus.CANCELLED,
    "failed": ReplyStatus.FAILED,
}


def url_of(base: str, model: str) -> str:
    return f"{base}{'&' if urlsplit(base).query else '?'}model={quote(model)}"


def bearer(api_key: str | None) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


def append(pcm: bytes) -> dict[str, Any]:
    return {"type": "input_audio_buffer.append", "audio": pybase64.b64encode_as_string(pcm)}


def create(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": item}


def message(role: str, content: dict[str, Any]) -> dict[str, Any]:
    return create({"type": "message", "role": role, "content": [content]})


def described(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}


def read(frame: Mapping[str, Any], harmless: frozenset[str] = HARMLESS) -> Sequence[ModelEvent]:
    """The events of a frame that all of the kin have.

    `harmless` are codes of errors, or the words of one that comes without a code.
    """
    match frame:
        case {"type": "input_audio_buffer.speech_started"}:
            return (SpeechStarted(),)
        case {"type": "input_audio_buffer.speech_stopped", **rest}:
            at_ms = rest.get("audio_end_ms")
            return (SpeechStopped(at_ms if isinstance(at_ms, int | float) else None),)
        case {"type": "conversation.item.input_audio_transcription.completed", "transcript": str(text)}:
            return (UserSaid(text),)
        case {"type": "response.created", "response": {"id": str(reply), **rest}}:
            return (ReplyStarted(reply, _request_id(rest.get("metadata"))),)
        case {"type": "response.done", "response": {"id": str(reply), "status": str(status)}}:
            return (ReplyDone(reply, _STATUS.get(status, ReplyStatus.FAILED)),)
        case {"type": "error", "error": {"message": str(words), **rest}}:
            known = words in harmless or rest.get("code") in harmless
            return () if known else (Complaint(StatusCode.API_UNKNOWN_ERROR, words),)
        case _:
            return ()


def failure(frame: Mapping[str, Any], endings: Mapping[str, type[ProviderError]] = ENDINGS) -> ProviderError | None:
    """The error in a frame when its code is one of those that end a session."""
    match frame:
        case {"type": "error", "error": {"code": str(code), "message": str(words)}} if code in endings:
            return endings[code](words)
        case _:
            return None


def _request_id(metadata: object) -> str | None:
    match metadata:
        case {"request_id": str(request_id)}:
            return request_id
        case _:
            return None
