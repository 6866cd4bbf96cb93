"""One scripted answer of the loopback chat endpoint, and the bytes of OpenAI's chat completions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

DONE = b"data: [DONE]\n\n"
GARBAGE = b'data: {"id": "chatcmpl-loop\n\n'


@frozen(kw_only=True)
class ChatReply:
    """What one request gets. Everything is off or immediate unless it is asked for.

    `garbage_after`, `cut_after` and `stall_after` count pieces of a streamed answer.
    """

    pieces: tuple[str, ...] = ("Nice ", "to ", "meet ", "you.")
    first_after_s: float = 0
    piece_after_s: float = 0
    refuse_status: int | None = None
    """Answers with this HTTP status and OpenAI's error object."""
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


def last_chunk(model: str) -> dict[str, Any]:
    return _chunk(model, {}, "stop")


def usage_chunk(reply: ChatReply, model: str) -> dict[str, Any]:
    """What a client that sets `stream_options.include_usage` gets before `[DONE]`."""
    return _envelope("chat.completion.chunk", model) | {"choices": [], "usage": _usage(reply)}


def completion(reply: ChatReply, model: str) -> dict[str, Any]:
    """The whole answer, for a request that does not stream."""
    choice = {"index": 0, "message": {"role": "assistant", "content": reply.text}, "finish_reason": "stop"}
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
