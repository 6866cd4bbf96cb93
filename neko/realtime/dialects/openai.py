"""OpenAI Realtime, GA event names; spoken by the embedded provider as well.

Source: OpenAI's Realtime API reference, client and server events, as of November 2026.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, assert_never

import pybase64

from neko.realtime.codes import CODES
from neko.realtime.dialects.base import DEFAULT_VOICE, Setup
from neko.realtime.dialects.realtime import (
    append,
    bearer,
    called,
    create,
    described,
    failure,
    message,
    read,
    truncate,
    url_of,
)
from neko.realtime.errors import Kind, ProviderError
from neko.realtime.session import (
    AudioDelta,
    Expiring,
    Facts,
    GoOn,
    Hear,
    Interrupt,
    Line,
    ModelCommand,
    ModelEvent,
    Say,
    See,
    Tell,
    TextDelta,
    ToolResult,
)

PCM_HZ = 24_000
CONTEXT_TOKENS = 28_672  # of the 32,768 of gpt-realtime 4,096 are for the reply
TOKENS_PER_S = 20.0  # of the model's speech; the person's counts for half of that
MAX_SESSION_S = 3600.0  # the server closes with 1001 after 60 minutes


class OpenAiDialect:
    """One session's dialect; `speaks` is False where another voice speaks the words."""

    codes: ClassVar[Mapping[str, Kind]] = CODES
    transcriber: ClassVar[str] = "gpt-4o-mini-transcribe"

    def __init__(self, *, speaks: bool = True, max_session_s: float | None = None) -> None:
        self.facts = Facts(
            hears_hz=PCM_HZ,
            speaks_hz=PCM_HZ if speaks else None,
            max_session_s=max_session_s or MAX_SESSION_S,
            warns_before_s=MAX_SESSION_S,  # by `expires_at`, from the start
            context_tokens=CONTEXT_TOKENS,
            tokens_per_s=TOKENS_PER_S,
        )

    def url(self, base: str, model: str) -> str:
        return url_of(base, model)

    def headers(self, api_key: str | None) -> Mapping[str, str]:
        return bearer(api_key)

    def open(self, setup: Setup) -> Iterable[dict[str, Any]]:
        # The lines come first: the embedded provider confirms the update when it has all of the prompt warm.
        yield from self.prime(setup.lines)
        pcm = {"type": "audio/pcm", "rate": PCM_HZ}
        yield {
            "type": "session.update",
            "session": {
                "type": "realtime",
                "instructions": setup.instructions,
                "output_modalities": ["audio" if self.facts.speaks_hz else "text"],
                "audio": {
                    "input": {
                        "format": pcm,
                        "transcription": {"model": self.transcriber, "language": setup.language},
                        "turn_detection": {"type": "server_vad"},
                    },
                    "output": {"format": pcm} | ({} if setup.voice == DEFAULT_VOICE else {"voice": setup.voice}),
                },
            }
            | ({"tools": [{"type": "function"} | described(tool) for tool in setup.tools]} if setup.tools else {}),
        }

    def opened(self, frame: Mapping[str, Any]) -> str | None:
        match frame:
            case {"type": "session.updated", "session": {"id": str(session_id)}}:
                return session_id
            case _:
                return None

    def prime(self, lines: Sequence[Line]) -> Iterable[dict[str, Any]]:
        for line in lines:
            yield message(line.role, {"type": _TEXT[line.role], "text": line.text})

    def write(self, command: ModelCommand) -> Iterable[dict[str, Any]]:
        match command:
            case Hear(pcm):
                yield append(pcm)
            case Say(text, request_id):
                # A reply that nobody here knows of yet would have the next one refused; without one this is harmless.
                yield {"type": "response.cancel"}
                yield message("user", {"type": "input_text", "text": text})
                yield _respond({"metadata": {"request_id": request_id}} if request_id else {})
            case See(url):
                yield message("user", {"type": "input_image", "image_url": url})
            case Tell(instructions):
                yield message("system", {"type": "input_text", "text": instructions})
                yield _respond({})
            case GoOn():
                yield _respond({})
            case Interrupt():
                yield from _interrupt(command)
            case ToolResult(call_id, _, output, asks):
                yield create({"type": "function_call_output", "call_id": call_id, "output": output})
                if asks:
                    yield _respond({})
            case _:
                assert_never(command)

    def read(self, frame: Mapping[str, Any]) -> Sequence[ModelEvent]:
        match frame:
            case {
                "type": "response.output_audio.delta",
                "response_id": str(reply),
                "item_id": str(item),
                "delta": str(delta),
            }:
                # Without `validate` three times as slow.
                return (AudioDelta(reply, item, pybase64.b64decode(delta, validate=True)),)
            case {
                "type": "response.output_audio_transcript.delta" | "response.output_text.delta",
                "response_id": str(reply),
                "delta": str(text),
            }:
                return (TextDelta(reply, text),)
            case {"type": "response.output_item.done", "item": {"type": "function_call", **call}, **rest}:
                return (called(call, rest.get("response_id")),)
            case {"type": "session.created", "session": {"expires_at": int(at)}}:
                # By the wall clock, theirs and ours; what cannot be is a clock that is wrong.
                in_s = at - time.time()
                return (Expiring(in_s),) if 0 < in_s <= MAX_SESSION_S else ()
            case _:
                return read(frame, codes=self.codes)

    def failure(self, frame: Mapping[str, Any]) -> ProviderError | None:
        return failure(frame, self.codes)


_TEXT = {"system": "input_text", "user": "input_text", "assistant": "output_text"}


def _respond(response: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.create", "response": response}


def _interrupt(cut: Interrupt) -> Iterable[dict[str, Any]]:
    if cut.running:
        yield {"type": "response.cancel", "response_id": cut.reply_id}
    if cut.item_id is not None:
        yield truncate(cut.item_id, cut.heard_ms)
