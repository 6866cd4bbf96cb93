"""What OpenAI's Realtime API and its kin say in the same words, whichever names they have for the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import pybase64

from neko.protocol.errors import StatusCode
from neko.realtime.codes import CODES
from neko.realtime.errors import Kind, PolicyViolation, ProviderError, ProviderFault
from neko.realtime.session import (
    Complaint,
    ModelEvent,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    SpeechStarted,
    SpeechStopped,
    Tool,
    ToolCalled,
    UserSaid,
)

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


def truncate(item_id: str, heard_ms: int) -> dict[str, Any]:
    return {"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0, "audio_end_ms": heard_ms}


def described(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}


def called(call: Mapping[Any, Any], reply_id: object) -> ToolCalled:
    """An item of type `function_call` that is done."""
    return ToolCalled(str(call["call_id"]), str(call["name"]), str(call["arguments"]), str(reply_id or ""))


def read(
    frame: Mapping[str, Any], harmless: frozenset[str] = HARMLESS, codes: Mapping[str, Kind] = CODES
) -> Sequence[ModelEvent]:
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
        case {"type": "response.done", "response": {"id": str(reply), "status": str(status), **rest}}:
            done = ReplyDone(reply, _STATUS.get(status, ReplyStatus.FAILED))
            return (*_complaint(rest.get("status_details"), codes), done)
        case {"type": "error", "error": {"message": str(words), **rest}}:
            known = words in harmless or rest.get("code") in harmless
            return () if known else (Complaint(StatusCode.API_UNKNOWN_ERROR, words),)
        case _:
            return ()


def failure(frame: Mapping[str, Any], codes: Mapping[str, Kind] = CODES) -> ProviderError | None:
    """The error in a frame when its code is one of those that end a session.

    A reply that fails is no end, unless every reply after it would fail as well.
    """
    match frame:
        case {"type": "error", "error": {"code": str(code), "message": str(words)}} if code in codes:
            return codes[code](words)
        case {"type": "response.done", "response": {"status_details": {"error": dict(error)}}}:
            failed = _failed(error, codes)
            return failed if failed.lasting else None
        case _:
            return None


def _complaint(details: object, codes: Mapping[str, Kind]) -> Iterator[Complaint]:
    """Why a reply has failed, or was broken off."""
    match details:
        case {"error": dict(error)}:
            failed = _failed(error, codes)
            yield Complaint(failed.code, failed.details)
        case {"reason": "content_filter"}:
            stopped = PolicyViolation("the provider's content filter broke the reply off")
            yield Complaint(stopped.code, stopped.details)


def _failed(error: Mapping[str, Any], codes: Mapping[str, Kind]) -> ProviderError:
    """OpenAI names what has run out in the type, and gives no words with it."""
    code = next((str(each) for each in (error.get("code"), error.get("type")) if str(each) in codes), None)
    said = error.get("message") or error.get("code") or error.get("type") or "it does not say why"
    return (codes[code] if code else ProviderFault)(f"the provider could not answer: {said}")


def _request_id(metadata: object) -> str | None:
    match metadata:
        case {"request_id": str(request_id)}:
            return request_id
        case _:
            return None
