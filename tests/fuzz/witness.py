"""What a pretended provider heard and said, noted as it happens, whatever dialect it speaks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import count

from attrs import define, field, frozen

from neko.testing.behaviour import Behaviour, ToolCall
from neko.testing.dialects import Dialect, Opening
from neko.testing.exchange import (
    Ending,
    Event,
    Fact,
    HangUp,
    Hear,
    Reply,
    ReplyEnded,
    ReplySound,
    ReplyStarted,
    Request,
    Transcribed,
)
from neko.testing.tagged import TagReader

UNDERSTOOD = re.compile(r"utterance \d+")
_NEWS = re.compile(rb"news-\d+")  # base64 has no such hyphen


@define(eq=False)
class Said:
    """One reply as the provider gave it: its words, its tagged blocks, how it ended."""

    reply: Reply
    blocks: list[int] = field(factory=list)
    ending: Ending | None = None
    news: list[str] = field(factory=list)  # what agents have brought, that it was to tell


@define(eq=False)
class Ears:
    """One provider session's: the tagged blocks that it heard, and what it understood each utterance in them to be."""

    session_id: str
    reader: TagReader
    tags: list[int] = field(factory=list)
    understood: list[str] = field(factory=list)
    news: list[str] = field(factory=list)  # that the next reply is to tell


@frozen(kw_only=True)
class Unrepeated(Behaviour):
    """Understands each utterance as other words, and says other words in each reply, over all sessions."""

    _understood: count[int] = field(factory=lambda: count(1))
    _replied: count[int] = field(factory=lambda: count(1))

    def transcript(self, number: int) -> str:
        return f"utterance {next(self._understood)}"

    def reply(self, number: int, tools: frozenset[str]) -> str | ToolCall:
        return f"Reply {next(self._replied)} of many words."


class Witness:
    """All sessions of one provider."""

    def __init__(self) -> None:
        self.ears: list[Ears] = []
        self.replies: dict[str, Said] = {}
        self.heard: list[int] = []  # by whichever session, in the order of hearing

    def watch(self, dialect: type[Dialect]) -> type[Dialect]:
        """The dialect, with somebody who takes notes."""
        witness = self

        class Watched(dialect):  # type: ignore[misc,valid-type]
            def __init__(self, opening: Opening) -> None:
                super().__init__(opening)
                self._ears = Ears(opening.session_id, TagReader(self.hears_hz))
                witness.ears.append(self._ears)

            def read(self, frame: str | bytes) -> tuple[Event, tuple[Request, ...]]:
                event, requests = super().read(frame)
                self._ears.news += _NEWS.findall(frame.encode() if isinstance(frame, str) else frame)
                for request in requests:
                    if isinstance(request, Hear):
                        tags = self._ears.reader.push(request.pcm)
                        self._ears.tags += tags
                        witness.heard += tags
                return event, requests

            def write(self, fact: Fact) -> Iterable[Event | HangUp]:
                witness._note(self._ears, fact)
                yield from super().write(fact)

        return Watched

    def _note(self, ears: Ears, fact: Fact) -> None:
        match fact:
            case Transcribed(text=text):
                ears.understood.append(text)
            case ReplyStarted(reply=reply):
                self.replies[reply.response_id] = Said(reply, news=ears.news)
                ears.news = []
            case ReplySound(reply=reply, blocks=blocks):
                self.replies[reply.response_id].blocks += blocks
            case ReplyEnded(reply=reply, ending=ending):
                self.replies[reply.response_id].ending = ending
            case _:
                pass
