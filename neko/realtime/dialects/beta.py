"""What the dialects with OpenAI's beta names have in common: a flat session object and the older events.

The beta's own list: https://learn.microsoft.com/azure/ai-services/openai/realtime-audio-reference. A vendor's dialect
says what it knows of its sessions (`known`), what goes into the session object (`session`), and where it differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, assert_never

import pybase64
from attrs import evolve

from neko.realtime.codes import CODES
from neko.realtime.dialects import realtime
from neko.realtime.dialects.base import DEFAULT_VOICE, Setup
from neko.realtime.dialects.realtime import create, message
from neko.realtime.dialects.replies import Replies
from neko.realtime.dialects.told import with_lines
from neko.realtime.errors import Kind, ProviderError
from neko.realtime.session import (
    AudioDelta,
    Complaint,
    Facts,
    GoOn,
    Hear,
    Interrupt,
    Line,
    ModelCommand,
    ModelEvent,
    ReplyDone,
    ReplyStarted,
    Say,
    See,
    Tell,
    TextDelta,
    Tool,
    ToolCalled,
    ToolResult,
)

BETA_PCM_HZ = 24_000
UNNAMED = "unnamed"  # where a vendor tells no id; the id is for logs and clients, nobody finds a session by it


class BetaDialect:
    """One session's dialect; `speaks` is False where another voice speaks the words."""

    known: ClassVar[Facts]
    """Of a session that speaks and lives as long as the vendor lets it."""
    items: ClassVar[frozenset[str]] = frozenset()
    """The roles whose lines are items of the conversation; the others' are told in the instructions."""
    harmless: ClassVar[frozenset[str]] = realtime.HARMLESS
    codes: ClassVar[Mapping[str, Kind]] = CODES

    def __init__(self, *, speaks: bool = True, max_session_s: float | None = None) -> None:
        self.facts = evolve(
            self.known,
            speaks_hz=self.known.speaks_hz if speaks else None,
            max_session_s=max_session_s or self.known.max_session_s,
        )
        self.told: list[Line] = []  # in the instructions
        self._session_id = UNNAMED
        self._replies = Replies()

    def session(self, setup: Setup) -> dict[str, Any]:
        """What `session.update` says. All of it, each time: what is left out falls back to the vendor's default."""
        session: dict[str, Any] = {
            "modalities": ["text", "audio"] if self.facts.speaks_hz else ["text"],
            "instructions": with_lines(setup.instructions, self.told),
            "turn_detection": {"type": "server_vad"},
        }
        if setup.voice != DEFAULT_VOICE:
            session["voice"] = setup.voice
        if setup.tools:
            session["tools"] = [self.tool(tool) for tool in setup.tools]
        return session

    def tool(self, tool: Tool) -> dict[str, Any]:
        return {"type": "function", "function": realtime.described(tool)}

    def see(self, _url: str, /) -> Iterable[dict[str, Any]]:
        """Nothing, unless the vendor's models see."""
        return ()

    def interrupt(self, cut: Interrupt) -> Iterable[dict[str, Any]]:
        if cut.running and self._replies.running(cut.reply_id):
            yield self._cancel()

    def result(self, call_id: str, output: str, /) -> dict[str, Any]:
        return {"type": "function_call_output", "call_id": call_id, "output": output}

    def url(self, base: str, model: str) -> str:
        return realtime.url_of(base, model)

    def headers(self, api_key: str | None) -> Mapping[str, str]:
        return realtime.bearer(api_key)

    def open(self, setup: Setup) -> Iterable[dict[str, Any]]:
        self._setup = setup
        self.told = [line for line in setup.lines if line.role not in self.items]
        yield self.update()
        yield from self._items(setup.lines)

    def opened(self, frame: Mapping[str, Any]) -> str | None:
        match frame:
            case {"type": "session.created", "session": {"id": str(session_id)}}:
                self._session_id = session_id
                return None
            case {"type": "session.updated"}:
                return self._session_id
            case _:
                return None

    def prime(self, lines: Sequence[Line]) -> Iterable[dict[str, Any]]:
        told = [line for line in lines if line.role not in self.items]
        if told:
            self.told += told
            yield self.update()
        yield from self._items(lines)

    def write(self, command: ModelCommand) -> Iterable[dict[str, Any]]:
        match command:
            case Hear(pcm):
                yield realtime.append(pcm)
            case Say(text, request_id):
                if self._replies.busy:
                    yield self._cancel()  # as long as a reply is given, another one is refused
                yield message("user", {"type": "input_text", "text": text})
                yield self._respond(request_id)
            case See(url):
                yield from self.see(url)
            case Tell(instructions):
                # As the person's: of the system's messages no vendor says that they are taken.
                yield message("user", {"type": "input_text", "text": instructions})
                yield self._respond()
            case GoOn():
                yield self._respond()
            case Interrupt():
                yield from self.interrupt(command)
            case ToolResult(call_id, _, output, asks):
                yield create(self.result(call_id, output))
                if asks:
                    yield self._respond()
            case _:
                assert_never(command)

    def read(self, frame: Mapping[str, Any]) -> Sequence[ModelEvent]:
        events = tuple(self._read(frame))
        for event in events:
            match event:
                case AudioDelta(reply_id) | TextDelta(reply_id):
                    self._replies.give(reply_id)
                case ReplyDone(reply_id):
                    self._replies.end(reply_id)
                case Complaint():
                    self._replies.refused()
                case _:
                    pass
        return events

    def failure(self, frame: Mapping[str, Any]) -> ProviderError | None:
        return realtime.failure(frame, self.codes)

    def update(self) -> dict[str, Any]:
        return {"type": "session.update", "session": self.session(self._setup)}

    def _items(self, lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
        for line in lines:
            if line.role in self.items:
                kind = "text" if line.role == "assistant" else "input_text"
                yield message(line.role, {"type": kind, "text": line.text})

    def _respond(self, request_id: str | None = None) -> dict[str, Any]:
        self._replies.ask(request_id)
        return {"type": "response.create"}

    def _cancel(self) -> dict[str, Any]:
        self._replies.cancel()
        return {"type": "response.cancel"}

    def _read(self, frame: Mapping[str, Any]) -> Iterator[ModelEvent]:
        match frame:
            case {"type": "response.audio.delta", "response_id": str(reply), "delta": str(delta), **rest}:
                if self.facts.speaks_hz:  # a vendor that always speaks is not heard where another voice does
                    yield AudioDelta(reply, str(rest.get("item_id") or reply), pybase64.b64decode(delta))
            case {
                "type": "response.audio_transcript.delta" | "response.text.delta",
                "response_id": str(reply),
                "delta": str(text),
            }:
                yield TextDelta(reply, text)
            case {"type": "response.function_call_arguments.done", "arguments": str(arguments), **rest}:
                # Not every vendor names its calls; nobody else needs the name that one without gets here.
                call_id = rest.get("call_id") or f"{rest.get('response_id')}.{rest.get('output_index', 0)}"
                reply_id = rest.get("response_id") or self._replies.given
                yield ToolCalled(str(call_id), str(rest.get("name", "")), arguments, str(reply_id))
            case {"type": "response.created", "response": {"id": str(reply)}}:
                yield ReplyStarted(reply, self._replies.begin(reply))
            case _:
                yield from realtime.read(frame, self.harmless, self.codes)
