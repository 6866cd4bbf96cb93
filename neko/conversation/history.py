"""What was said, in order; it lives with the character and outlives every connection and model session."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from enum import StrEnum

from attrs import evolve, frozen

KEPT = 2_000  # utterances; a day of talk, at most a few hundred KiB


class Role(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"


@frozen
class Utterance:
    """What one side said; `at` is Unix time in seconds."""

    role: Role
    text: str
    at: float


class History:
    """The utterances of one character's conversation, oldest first; iterable.

    A fresh context begins with `mark_new`: older utterances stay and are no longer told to models.
    """

    def __init__(self) -> None:
        self._utterances: deque[Utterance] = deque(maxlen=KEPT)
        self._fresh = 0
        self.mark = 0
        """How many utterances there have been; `since` tells what came after a mark."""

    def __iter__(self) -> Iterator[Utterance]:
        return iter(tuple(self._utterances))

    def __len__(self) -> int:
        return len(self._utterances)

    def add(self, role: Role, text: str) -> None:
        """Something was said now; silence is not remembered."""
        if text.strip():
            self._utterances.append(Utterance(role, text.strip(), time.time()))
            self._fresh += 1
            self.mark += 1

    def cut_last_reply(self, heard: str) -> None:
        """The person interrupted the last reply: only what they heard of it was said, perhaps nothing."""
        last = next((u for u in reversed(self._utterances) if u.role is Role.ASSISTANT), None)
        if last is None:
            return
        index = self._utterances.index(last)
        if heard.strip():
            self._utterances[index] = evolve(last, text=heard.strip())
        else:
            del self._utterances[index]
            self._fresh -= 1
            self.mark -= 1

    def mark_new(self) -> None:
        self._fresh = 0

    def since(self, mark: int) -> tuple[Utterance, ...]:
        """What was said after the mark was taken."""
        return tuple(self._utterances)[-(self.mark - mark) :] if self.mark > mark else ()

    def context(self) -> tuple[Utterance, ...]:
        """What belongs to the context that runs now."""
        return tuple(self._utterances)[-self._fresh :] if self._fresh else ()
