"""Mood tags such as `<happy>`: taken out of the text as it streams."""

from __future__ import annotations

import re

from attrs import frozen

MAX_TAG = 24  # characters after the first; what is longer is text that happens to hold a "<"
_TAG = re.compile(rf"\s*<([a-z][a-z_-]{{0,{MAX_TAG}}})/?>\s?", re.IGNORECASE)
_OPEN = re.compile(rf"\s*<[a-z_-]{{0,{MAX_TAG + 1}}}/?$", re.IGNORECASE)


@frozen
class Told:
    """A stretch of a reply: the words without tags, and the moods that were in it, in order."""

    text: str
    emotions: tuple[str, ...] = ()


class EmotionTags:
    """Splits one reply's deltas into words and moods; a tag may be cut anywhere between two deltas."""

    def __init__(self) -> None:
        self._held = ""
        self._begun = False

    def push(self, delta: str) -> Told:
        """What is certain after this delta; the beginning of a possible tag is held back."""
        text = self._held + delta
        opening = _OPEN.search(text)
        cut = opening.start() if opening else len(text)
        self._held = text[cut:]
        return self._split(text[:cut])

    def flush(self) -> Told:
        """The rest, when the reply is over."""
        held, self._held = self._held, ""
        return self._split(held)

    def _split(self, text: str) -> Told:
        emotions = tuple(tag.lower() for tag in _TAG.findall(text))
        # A tag in the middle of a line leaves one space; at the reply's beginning it leaves none.
        words = _TAG.sub(" ", text) if self._begun else _TAG.sub(" ", text).lstrip()
        self._begun = self._begun or bool(words)
        return Told(words, emotions)
