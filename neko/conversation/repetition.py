"""Whether a model says the same again and again, as small ones do once they have begun to."""

from __future__ import annotations

from collections import deque

from attrs import define, field

# `difflib` takes 16 ms for two replies of 1,000 characters, and four times that for twice the length.
from rapidfuzz.fuzz import ratio

from neko.conversation.emotion import EmotionTags

SIMILAR = 0.8  # as N.E.K.O. has it: two texts share so much of their characters, in order
LAST, ENOUGH = 3, 2  # similar to two of the last three replies


def similar(one: str, other: str) -> bool:
    """Twice the longest common subsequence is at least `SIMILAR` of both texts' length; no text is like silence."""
    return bool(one and other) and ratio(one, other, score_cutoff=100 * SIMILAR) > 0


@define
class Repetition:
    """One model session's last replies; mood tags and white space around them count for nothing."""

    _last: deque[str] = field(factory=lambda: deque(maxlen=LAST), init=False)

    def add(self, reply: str) -> None:
        """It was said to its end."""
        words = _words(reply)
        if words:
            self._last.append(words)

    def repeats(self, reply: str) -> bool:
        """What is said of this reply so far is what two of the last three were, nearly."""
        words = _words(reply)
        return sum(similar(words, each) for each in self._last) >= ENOUGH

    def resembles(self, reply: str, other: str) -> bool:
        """Both say the same, nearly."""
        return similar(_words(reply), _words(other))

    def forget(self) -> None:
        """The model is helped out of it, and gets another chance."""
        self._last.clear()


def _words(reply: str) -> str:
    tags = EmotionTags()
    return (tags.push(reply).text + tags.flush().text).strip()
