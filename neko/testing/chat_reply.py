"""One scripted answer of the loopback chat endpoint, and the bytes of OpenAI's chat completions."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson
from attrs import frozen

from neko.testing.behaviour import ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator

DONE = b"data: [DONE]\n\n"
GARBAGE = b'data: {"id": "chatcmpl-loop\n\n'


class Style(StrEnum):
    """How a server streams the tools that are called."""

    OPENAI = "openai"
    """In pieces: id and name first, then fragments of the arguments; `finish_reason` is "tool_calls"."""
    OLLAMA = "ollama"
    """Each call whole in a chunk of its own, all of them numbered 0, and `finish_reason` is "stop"."""
    NAMELESS = "nameless"
    """Without ids and numbers, arguments as an object, and without `[DONE]`."""


@frozen(kw_only=True)
class ChatReply:
    """What one request gets. Everything is off or immediate unless it is asked for.

    `garbage_after`, `cut_after` and `stall_after` count pieces of a streamed answer.
    """

    pieces: tuple[str, ...] = ("Nice ", "to ", "meet ", "you.")
    calls: tuple[ToolCall, ...] = ()
    """Tools that it asks for, after the words; whether they are offered or not."""
    style: Style = Style.OPENAI
    first_after_s: float = 0
    piece_after_s: float = 0
    refuse_status: int | None = None
    """Answers with this HTTP status and OpenAI's error object."""
    retry_after_s: int | None = None
    """With a refusal: when to come back."""
    garbage_after: int | None = None
    """A line that is no JSON, between well-formed ones."""
    cut_after: int | None = None
    """Resets TCP."""
    stall_after: int | None = None
    """Sends nothing more and keeps the connection open."""

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def sse(chunk: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


def chunks(reply: ChatReply, model: str) -> Iterator[dict[str, Any]]:
    """One `chat.completion.chunk` for each piece."""
    for number, piece in enumerate(reply.pieces):
        role = {"role": "assistant"} if number == 0 else {}
        yield _chunk(model, role | {"content": piece}, None)


def call_chunks(reply: ChatReply, model: str) -> Iterator[dict[str, Any]]:
    """The chunks in which the tools are called."""
    for number, call in enumerate(reply.calls):
        for delta in _call_deltas(call, number, reply.style):
            yield _chunk(model, {"content": None, "tool_calls": [delta]}, None)


def _call_deltas(call: ToolCall, number: int, style: Style) -> Iterator[dict[str, Any]]:
    function = {"name": call.name, "arguments": call.arguments}
    call_id = f"call_loopback_{number}"
    match style:
        case Style.OPENAI:
            half = len(call.arguments) // 2
            yield {"index": number, "id": call_id, "type": "function", "function": function | {"arguments": ""}}
            for part in (call.arguments[:half], call.arguments[half:]):
                yield {"index": number, "function": {"arguments": part}}
        case Style.OLLAMA:
            yield {"index": 0, "id": call_id, "type": "function", "function": function}
        case Style.NAMELESS:
            yield {"type": "function", "function": function | {"arguments": orjson.loads(call.arguments)}}


def last_chunk(reply: ChatReply, model: str) -> dict[str, Any]:
    asks = bool(reply.calls) and reply.style is not Style.OLLAMA
    return _chunk(model, {}, "tool_calls" if asks else "stop")


def usage_chunk(reply: ChatReply, model: str) -> dict[str, Any]:
    """What a client that sets `stream_options.include_usage` gets before `[DONE]`."""
    return _envelope("chat.completion.chunk", model) | {"choices": [], "usage": _usage(reply)}


def completion(reply: ChatReply, model: str) -> dict[str, Any]:
    """The whole answer, for a request that does not stream."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reply.calls:
        whole = [delta for n, call in enumerate(reply.calls) for delta in _call_deltas(call, n, Style.OLLAMA)]
        message["tool_calls"] = whole
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if reply.calls else "stop"}
    return _envelope("chat.completion", model) | {"choices": [choice], "usage": _usage(reply)}


def models() -> dict[str, Any]:
    return {"object": "list", "data": [{"id": "loopback", "object": "model", "created": 0, "owned_by": "neko"}]}


def _chunk(model: str, delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _envelope("chat.completion.chunk", model) | {"choices": [choice]}


def _envelope(kind: str, model: str) -> dict[str, Any]:
    return {"id": "chatcmpl-loopback", "object": kind, "created": 0, "model": model}


def _usage(reply: ChatReply) -> dict[str, int]:
    return {"prompt_tokens": 1, "completion_tokens": len(reply.pieces), "total_tokens": 1 + len(reply.pieces)}
