"""A reply's text cut into phrases as it streams: the first ones short, so that the voice can begin early."""

from __future__ import annotations

import re

from attrs import frozen

from neko.conversation.emotion import before_tag, without_tags

FIRST_WORDS = 8  # characters; once so many are out, the voice has begun and whole sentences sound better
MAX_PHRASE = 240  # characters; a model that forgets its full stops is cut at a space

_CLOSING = r"""["'”’」』）)\]]*"""
# A Latin mark ends nothing inside a number or a title, and a full stop needs the space after it to be one.
_SENTENCE = re.compile(rf"[。！？!?…]+{_CLOSING}|(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bMrs)\.+{_CLOSING}(?=\s)|\n+")
_COMMA = re.compile(r"[、，；;]|(?<!\d),|,(?=\s)")


@frozen
class Phrase:
    """`text` as the model wrote it; `spoken` is what a voice says of it, "" for a lone mood tag."""

    text: str
    spoken: str


class PhraseSplitter:
    """One reply. The `text` of all its phrases, joined, is the reply."""

    def __init__(self) -> None:
        self._held = ""
        self._out = 0

    def push(self, piece: str) -> list[Phrase]:
        """The phrases that are complete now."""
        self._held += piece
        phrases = []
        while (end := self._end()) is not None:
            phrases.append(self._cut(end))
        return phrases

    def finish(self) -> list[Phrase]:
        """The rest, when the reply is over."""
        return [self._cut(len(self._held))] if self._held else []

    def _end(self) -> int | None:
        ends = [mark.end() for mark in self._marks() if _speakable(self._held[: mark.end()])]
        if ends:
            return min(ends)
        if len(self._held) > MAX_PHRASE:
            return self._held.rfind(" ", 1, MAX_PHRASE) + 1 or before_tag(self._held, MAX_PHRASE)
        return None

    def _marks(self) -> list[re.Match[str]]:
        marks = list(_SENTENCE.finditer(self._held))
        return marks if self._out >= FIRST_WORDS else marks + list(_COMMA.finditer(self._held))

    def _cut(self, end: int) -> Phrase:
        text, self._held = self._held[:end], self._held[end:]
        spoken = _spoken(text)
        self._out += len(spoken)
        return Phrase(text, spoken if _speakable(text) else "")


def _spoken(text: str) -> str:
    return without_tags(text).strip()


def _speakable(text: str) -> bool:
    return any(char.isalnum() for char in _spoken(text))
