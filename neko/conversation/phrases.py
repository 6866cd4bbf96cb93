"""A reply's text cut into phrases as it streams: the first ones short, so that the voice can begin early."""

from __future__ import annotations

import re

from attrs import frozen

from neko.conversation.emotion import before_tag, without_tags

FIRST_WORDS = 8  # characters; once so many are out, the voice has begun and whole sentences sound better
MAX_PHRASE = 240  # characters; a model that forgets its full stops is cut at a space


# French puts a space before the closing guillemet.
_CLOSING = r"""(?:["'”’」』》】〉）)\]]|[ \u00a0\u202f]?»)*"""
_STRAY = "”’」』》】〉）)]» \u00a0\u202f"
_SENTENCE = re.compile(rf"[。｡！？!?…؟।॥]+{_CLOSING}|\n+")
# A full stop needs the space after it to be one, or "2.50" and "z.B." were two sentences.
_FULL_STOP = re.compile(rf"\.+{_CLOSING}(?=\s)")
_COMMA = re.compile(r"[、､，；;،]|(?<!\d),|,(?=\s)")
# Before these a full stop ends nothing: titles, "e.g." and "z. B." letter by letter, initials, ordinals ("3. Mai").
_TITLES = "Mr|Mrs|Ms|Dr|St|Prof|Jr|Sr|Sra|Mme|Mlle|Hr|Fr|Nr|Vol|vs|ca|bzw|vgl|cf|approx"
_ABBREVIATION = re.compile(rf"(?<![^\W_])(?:{_TITLES}|(?:[A-Za-zÀ-ž]\.)*[A-Za-zÀ-ž]|\d{{1,2}})$")
_LONGEST_ABBREVIATION = 12  # characters; what is looked at before a full stop


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
        marks = [*_SENTENCE.finditer(self._held), *filter(self._ends_something, _FULL_STOP.finditer(self._held))]
        return marks if self._out >= FIRST_WORDS else marks + list(_COMMA.finditer(self._held))

    def _ends_something(self, stop: re.Match[str]) -> bool:
        before = self._held[max(0, stop.start() - _LONGEST_ABBREVIATION) : stop.start()]
        return stop[0].startswith("..") or _ABBREVIATION.search(before) is None

    def _cut(self, end: int) -> Phrase:
        text, self._held = self._held[:end], self._held[end:]
        spoken = _spoken(text)
        self._out += len(spoken)
        return Phrase(text, spoken if _speakable(text) else "")


def _spoken(text: str) -> str:
    # A mark that came before its closing quote is not waited with, so that the quote begins the next phrase.
    return without_tags(text).strip().lstrip(_STRAY)


def _speakable(text: str) -> bool:
    return any(char.isalnum() for char in _spoken(text))
