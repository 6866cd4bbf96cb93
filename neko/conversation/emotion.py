"""Mood tags such as `<happy>`: taken out of the text as it streams."""

from __future__ import annotations

import re
from collections.abc import Iterator
from unicodedata import east_asian_width

from attrs import frozen

MAX_TAG = 24  # characters after the first; what is longer is text that happens to hold a "<"
# A label is a word of any script, whose vowels may be signs of their own: what no word has in it is easier to say.
_PUNCTUATION = r"!-,./:-@\[-^`{-~\u2010-\u205e\u3000-\u303f\uff01-\uff0f\uff1a-\uff20"
_LABEL = rf"[^\W\d_][^\s\d{_PUNCTUATION}]{{0,{MAX_TAG}}}"
_TAG = re.compile(rf"<(?:({_LABEL})/?|/{_LABEL})>")
_OPEN = re.compile(rf"<(?:/?(?:{_LABEL})?|{_LABEL}/)\Z")
_TAG_BEHIND_SPACE = re.compile(rf"\s*{_TAG.pattern}")


@frozen
class Mood:
    """What the model feels from here on: the label of a tag, in lower case."""

    label: str


@frozen
class Told:
    """A stretch of a reply, in order: words without tags, and the moods between them."""

    parts: tuple[str | Mood, ...]

    @property
    def text(self) -> str:
        return "".join(part for part in self.parts if isinstance(part, str))

    @property
    def emotions(self) -> tuple[str, ...]:
        return tuple(part.label for part in self.parts if isinstance(part, Mood))


class EmotionTags:
    """Splits one reply's deltas into words and moods; what comes out does not depend on where the stream is cut.

    A closing tag (`</happy>`) is left out and is no mood. White space behind a tag goes with it where there is some
    before it, and at the beginning; words that a tag kept apart get a space.
    """

    def __init__(self) -> None:
        self._held = ""
        self._last = ""  # the last character that came out
        self._behind_tag = False

    def push(self, delta: str) -> Told:
        """What is certain after this delta; the beginning of a possible tag is held back."""
        text = self._held + delta
        opening = _OPEN.search(text) if "<" in text else None
        cut = opening.start() if opening else len(text)
        self._held = text[cut:]
        return Told(tuple(self._parts(text[:cut])))

    def flush(self) -> Told:
        """The rest, when the reply is over."""
        held, self._held = self._held, ""
        return Told(tuple(self._parts(held)))

    def _parts(self, text: str) -> Iterator[str | Mood]:
        at = 0
        for tag in _TAG.finditer(text):
            yield from self._words(text[at : tag.start()])
            if tag[1]:
                yield Mood(tag[1].lower())
            self._behind_tag, at = True, tag.end()
        yield from self._words(text[at:])

    def _words(self, text: str) -> Iterator[str]:
        if not self._last or (self._behind_tag and self._last.isspace()):
            text = text.lstrip()
        if not text:
            return
        if self._behind_tag and _spaced(self._last) and _spaced(text[0]):
            text = f" {text}"
        self._behind_tag, self._last = False, text[-1]
        yield text


def without_tags(text: str) -> str:
    """What of a phrase can be said aloud."""
    return _TAG_BEHIND_SPACE.sub("", text)


def before_tag(text: str, cut: int) -> int:
    """Where to cut the text at the latest, so that no tag is parted."""
    opening = _OPEN.search(text, 0, cut)
    return opening.start() if opening and opening.start() else cut


def _spaced(character: str) -> bool:
    """Of a word in a script that puts spaces between words."""
    return character.isalnum() and east_asian_width(character) not in "WF"
