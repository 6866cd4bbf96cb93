"""What a Gemini Live session says, as events: speech and replies, whose begin and end Google leaves to be inferred."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any
from uuid import uuid4

import orjson
import pybase64
from attrs import define

from neko.realtime.session import (
    AudioDelta,
    Expiring,
    GoOn,
    ModelEvent,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    Resumable,
    Say,
    SpeechStarted,
    SpeechStopped,
    Tell,
    TextDelta,
    ToolCalled,
    ToolResult,
    UserSaid,
)

_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")  # protobuf's JSON for a duration


@define
class _Reply:
    """The reply that Google is giving."""

    id: str
    cut: bool = False  # the person has heard enough: what still comes of it is dropped
    replaced: bool = False  # words of ours end it, not the person's voice
    generated: bool = False  # all of its sound has come


class GeminiReading:
    """One session's account of who speaks. Pure: the same frames and commands give the same events, but for the ids."""

    def __init__(self, *, speaks: bool) -> None:
        self.id = f"gemini_{uuid4().hex[:12]}"
        self.going = False  # Google has announced the end
        self.withdrawn: set[str] = set()  # tool calls whose answer is not wanted any more
        self._speaks = speaks
        self._numbers = count(1)
        self._speaking = False  # the person, as far as we have said so
        self._heard = ""  # the person's words, not told yet
        self._held = ""  # words of a reply whose sound has not begun
        self._asked: Say | Tell | GoOn | ToolResult | None = None  # waits for an answer
        self._reply: _Reply | None = None
        self._rest = False  # an interrupted reply's turn is not complete: its rest may still come

    def asked(self, question: Say | Tell | GoOn | ToolResult) -> None:
        """This ends whatever is being said, and asks for an answer."""
        self._asked, self._held = question, ""
        if self._reply is not None:
            self._reply.replaced = True

    def cut(self, reply_id: str) -> None:
        """The person cut this reply short; Google is not told so, and goes on until it notices."""
        if self._reply is not None and self._reply.id == reply_id:
            self._reply.cut = True

    def read(self, frame: Mapping[str, Any]) -> Iterator[ModelEvent]:
        match frame:
            case {"serverContent": dict(content)}:
                yield from self._content(content)
            case {"toolCall": {"functionCalls": [*calls]}}:
                yield from self._called(calls)
            case {"toolCallCancellation": {"ids": [*ids]}}:
                self.withdrawn.update(map(str, ids))
            case {"sessionResumptionUpdate": {"resumable": True, "newHandle": str(handle)}}:
                yield Resumable(handle)
            case {"goAway": dict(rest)}:
                self.going = True
                left = _DURATION.fullmatch(str(rest.get("timeLeft", "0s")))
                yield Expiring(float(left[1]) if left else 0.0)
            case _:
                return

    def _content(self, content: Mapping[str, Any]) -> Iterator[ModelEvent]:
        """One frame may carry several of the fields."""
        if words := _transcript(content.get("inputTranscription")):
            yield from self._hear(words)
        if content.get("interrupted"):
            yield from self._interrupted()
        if words := _transcript(content.get("outputTranscription")):
            yield from self._words(words)
        for pcm in _sound(content.get("modelTurn")):
            yield from self._sound(pcm)
        if content.get("generationComplete") and self._reply is not None:
            self._reply.generated = True
        if content.get("turnComplete"):
            yield from self._complete()

    def _hear(self, words: str) -> Iterator[ModelEvent]:
        self._heard += words
        # Who speaks into a reply is told of by `interrupted`, at once. A transcription without it is late:
        # the end of the utterance that is being answered.
        if not self._speaking and (self._reply is None or self._reply.generated):
            self._speaking, self._held = True, ""
            yield SpeechStarted()

    def _interrupted(self) -> Iterator[ModelEvent]:
        reply = self._reply
        self._rest = True
        if reply is None:
            return
        if not (self._speaking or reply.replaced):
            self._speaking = True
            yield SpeechStarted()
        yield from self._end(ReplyStatus.CANCELLED)

    def _words(self, words: str) -> Iterator[ModelEvent]:
        if self._reply is not None and self._reply.generated and (self._speaking or self._asked):
            yield from self._end(ReplyStatus.COMPLETED)  # its turnComplete was forgotten
        if self._reply is None and self._awaited:
            yield from self._begin()
        if self._reply is None:
            # Either the answer comes before the question's transcription, or this is the last reply's late end.
            self._held += "" if self._rest else words
        elif not self._reply.cut:
            yield TextDelta(self._reply.id, words)

    def _sound(self, pcm: bytes) -> Iterator[ModelEvent]:
        if self._reply is not None and self._reply.generated:
            yield from self._end(ReplyStatus.COMPLETED)
        if self._reply is None:
            if self._rest and not self._awaited:
                return
            yield from self._begin()
        if self._reply is not None and self._speaks and not self._reply.cut:
            yield AudioDelta(self._reply.id, self._reply.id, pcm)

    def _complete(self) -> Iterator[ModelEvent]:
        if self._reply is None and self._awaited and not self._rest:
            yield from self._begin()  # it has chosen to say nothing
        self._rest = False
        yield from self._end(ReplyStatus.COMPLETED)

    def _called(self, calls: Sequence[Mapping[str, Any]]) -> Iterator[ModelEvent]:
        if self._reply is None:
            yield from self._begin()
        reply_id = self._reply.id if self._reply else ""
        for call in calls:
            yield ToolCalled(call["id"], call["name"], orjson.dumps(call.get("args", {})).decode(), reply_id)
        yield from self._end(ReplyStatus.COMPLETED)

    @property
    def _awaited(self) -> bool:
        """Something was said, by voice or in writing, that no reply has answered."""
        return self._asked is not None or bool(self._heard)

    def _begin(self) -> Iterator[ModelEvent]:
        """The model takes its turn, so the person's is over."""
        if self._speaking:
            yield SpeechStopped()
        yield from self._tell_heard()
        self._reply = _Reply(f"{self.id}_{next(self._numbers)}")
        yield ReplyStarted(self._reply.id, self._asked.request_id if isinstance(self._asked, Say) else None)
        if self._held:
            yield TextDelta(self._reply.id, self._held)
        self._speaking, self._rest, self._held, self._asked = False, False, "", None

    def _end(self, status: ReplyStatus) -> Iterator[ModelEvent]:
        if self._reply is None:
            return
        if not self._speaking:
            yield from self._tell_heard()
        yield ReplyDone(self._reply.id, ReplyStatus.CANCELLED if self._reply.cut else status)
        self._reply = None

    def _tell_heard(self) -> Iterator[ModelEvent]:
        text, self._heard = self._heard.strip(), ""
        if text:
            yield UserSaid(text)


def _transcript(transcription: object) -> str:
    match transcription:
        case {"text": str(text)}:
            return text
    return ""


def _sound(turn: object) -> Iterator[bytes]:
    """Text parts of a turn that is spoken are the model's thoughts."""
    match turn:
        case {"parts": [*parts]}:
            for part in parts:
                match part:
                    case {"inlineData": {"mimeType": str(kind), "data": str(data)}} if kind.startswith("audio/"):
                        yield pybase64.b64decode(data)
