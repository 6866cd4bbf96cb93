"""The JSON objects of the OpenAI Realtime GA events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pybase64

from neko.testing.exchange import Call, Ending, Event, Reply

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

PCM = {"type": "audio/pcm", "rate": 24_000}


def session(session_id: str, model: str, expires_at: int) -> Event:
    hearing: dict[str, Any] = {
        "format": dict(PCM),
        "transcription": None,
        "noise_reduction": None,
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
            "idle_timeout_ms": None,
            "create_response": True,
            "interrupt_response": True,
        },
    }
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": expires_at,
        "audio": {"input": hearing, "output": {"format": dict(PCM), "voice": "marin", "speed": 1.0}},
        "include": None,
    }


def heard_item(item_id: str) -> Event:
    content = [{"type": "input_audio", "transcript": None}]
    return _message(item_id, "user", "completed", content)


def item_added(item: Event, previous: str | None) -> Iterator[Event]:
    yield {"type": "conversation.item.added", "previous_item_id": previous, "item": item}
    yield {"type": "conversation.item.done", "previous_item_id": previous, "item": item}


def transcription(item_id: str, text: str) -> Iterator[Event]:
    kind, where = "conversation.item.input_audio_transcription", {"item_id": item_id, "content_index": 0}
    yield {"type": f"{kind}.delta", **where, "delta": text}
    yield {"type": f"{kind}.completed", **where, "transcript": text, "usage": {"type": "duration", "seconds": 1}}


def truncated(item_id: str, audio_end_ms: int) -> Event:
    return {
        "type": "conversation.item.truncated",
        "item_id": item_id,
        "content_index": 0,
        "audio_end_ms": audio_end_ms,
    }


def error(code: str, message: str, param: str | None, event_id: str | None) -> Event:
    what = {"type": "invalid_request_error", "code": code, "message": message, "param": param, "event_id": event_id}
    return {"type": "error", "error": what}


def reply_started(reply: Reply, previous: str | None) -> Iterator[Event]:
    yield {"type": "response.created", "response": _response(reply, "in_progress", None, [])}
    if reply.refused:
        return
    item = _output(reply, "in_progress", [])
    yield {
        "type": "response.output_item.added",
        "response_id": reply.response_id,
        "output_index": 0,
        "item": item,
    }
    yield {"type": "conversation.item.added", "previous_item_id": previous, "item": item}
    if reply.call is None:
        part = {"type": "audio", "transcript": ""} if reply.speaks else {"type": "text", "text": ""}
        yield {"type": "response.content_part.added", **_where(reply), "part": part}


def sound(reply: Reply, pcm: bytes) -> Event:
    return {"type": "response.output_audio.delta", **_where(reply), "delta": pybase64.b64encode_as_string(pcm)}


def words(reply: Reply, text: str) -> Event:
    kind = "response.output_audio_transcript.delta" if reply.speaks else "response.output_text.delta"
    return {"type": kind, **_where(reply), "delta": text}


def arguments(reply: Reply, call: Call, text: str) -> Event:
    return {"type": "response.function_call_arguments.delta", **_calling(reply, call), "delta": text}


def reply_ended(reply: Reply, ending: Ending) -> Iterator[Event]:
    status, details = _status(ending)
    output: list[Event] = []
    if not reply.refused:
        content = yield from _content_done(reply)
        output = [_output(reply, "completed" if ending is Ending.COMPLETED else "incomplete", content)]
        yield {"type": "conversation.item.done", "previous_item_id": None, "item": output[0]}
        where = {"response_id": reply.response_id, "output_index": 0}
        yield {"type": "response.output_item.done", **where, "item": output[0]}
    yield {"type": "response.done", "response": _response(reply, status, details, output)}


def _content_done(reply: Reply) -> Generator[Event, None, list[Event]]:
    """Tells that nothing more comes to a reply's item, and returns its content."""
    if reply.call is not None:
        kind, call = "response.function_call_arguments.done", reply.call
        yield {"type": kind, **_calling(reply, call), "name": call.name, "arguments": reply.said}
        return []
    where = _where(reply)
    if reply.speaks:
        yield {"type": "response.output_audio.done", **where}
        yield {"type": "response.output_audio_transcript.done", **where, "transcript": reply.said}
        part = {"type": "audio", "transcript": reply.said}
    else:
        yield {"type": "response.output_text.done", **where, "text": reply.said}
        part = {"type": "text", "text": reply.said}
    yield {"type": "response.content_part.done", **where, "part": part}
    return [{**part, "type": f"output_{part['type']}"}]


def _status(ending: Ending) -> tuple[str, Event | None]:
    match ending:
        case Ending.COMPLETED:
            return "completed", None
        case Ending.CLIENT_CANCELLED | Ending.TURN_DETECTED:
            return "cancelled", {"type": "cancelled", "reason": str(ending)}
        case Ending.RATE_LIMITED:
            what = {"type": "requests", "code": str(ending), "message": "Rate limit reached for requests."}
            return "failed", {"type": "failed", "error": what}


def _where(reply: Reply) -> Event:
    return {"response_id": reply.response_id, "item_id": reply.item_id, "output_index": 0, "content_index": 0}


def _calling(reply: Reply, call: Call) -> Event:
    where = {"response_id": reply.response_id, "item_id": reply.item_id, "output_index": 0}
    return where | {"call_id": call.call_id}


def _output(reply: Reply, status: str, content: list[Event]) -> Event:
    """The item that a reply makes in the conversation."""
    if reply.call is None:
        return _message(reply.item_id, "assistant", status, content)
    item = {"id": reply.item_id, "object": "realtime.item", "type": "function_call", "status": status}
    return item | {"call_id": reply.call.call_id, "name": reply.call.name, "arguments": reply.said}


def _message(item_id: str, role: str, status: str, content: list[Event]) -> Event:
    item = {"id": item_id, "object": "realtime.item", "type": "message", "status": status, "role": role}
    return item | {"content": content}


def _response(reply: Reply, status: str, details: Event | None, output: list[Event]) -> Event:
    return {
        "object": "realtime.response",
        "id": reply.response_id,
        "status": status,
        "status_details": details,
        "output": output,
        "conversation_id": "conv_loopback",
        "output_modalities": ["audio" if reply.speaks else "text"],
        "max_output_tokens": "inf",
        "audio": {"output": {"format": dict(PCM), "voice": "marin"}},
        "usage": None if status == "in_progress" else _usage(reply),
        "metadata": None,
    }


def _usage(reply: Reply) -> Event:
    # OpenAI counts one token for 50 ms of spoken output.
    output = reply.spoken_ms // 50 + len(reply.said.split())
    return {"total_tokens": output, "input_tokens": 0, "output_tokens": output}
