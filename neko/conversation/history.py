"""What was said, in order; it lives with the character and outlives every connection and model session."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from enum import StrEnum

from attrs import evolve, frozen

from neko.conversation.journal import Began, Corrected, Forgot, Journal, NoJournal, Said

KEPT = 2_000  # utterances; a day of talk, at most a few hundred KiB


class Role(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"  # said by nobody: what the character knows beside what was said


@frozen
class Utterance:
    """What one side said; `at` is Unix time in seconds."""

    role: Role
    text: str
    at: float
    number: int = 0
    """How many utterances there were before it in this conversation, forgotten ones and later unsaid ones included."""
    by: str | None = None
    """The model session that took part in it: it need not be told."""
    mood: str = ""
    """The tag with which the character began it; a model that is not shown its tags forgets to write them."""


class History:
    """The utterances of one character's conversation, oldest first; iterable.

    A fresh context begins with `mark_new`: older utterances stay and are no longer told to models. It goes on from
    what was `kept` before, and enters in the journal what changes.
    """

    def __init__(
        self, journal: Journal | None = None, kept: Iterable[Utterance] = (), *, mark: int = 0, fresh_from: int = 0
    ) -> None:
        self.journal = journal or NoJournal()
        self._utterances: deque[Utterance] = deque(kept, maxlen=KEPT)
        self.fresh_from = fresh_from
        """The first number that models are told of."""
        self.mark = mark
        """The number of the next utterance; `since` tells what came after a mark."""
        self.forgets = 0
        """How often something was forgotten: a model that was told before it knows too much."""

    def __iter__(self) -> Iterator[Utterance]:
        return iter(tuple(self._utterances))

    def __len__(self) -> int:
        return len(self._utterances)

    def last(self, *roles: Role) -> Utterance | None:
        """The youngest of one of these roles."""
        return next((each for each in reversed(self._utterances) if each.role in roles), None)

    def add(self, role: Role, text: str, *, by: str | None = None, mood: str = "") -> int | None:
        """Something was said now. Its number; None for silence, which is not remembered."""
        if not text.strip():
            return None
        number, self.mark = self.mark, self.mark + 1
        utterance = Utterance(role, text.strip(), time.time(), number, by, mood)
        self._utterances.append(utterance)
        self.journal.enter(Said(utterance))
        return number

    def cut(self, number: int | None, heard: str) -> None:
        """The person interrupted this reply: only what they heard of it was said, perhaps nothing."""
        for index, utterance in enumerate(self._utterances):
            if utterance.number == number:
                if heard.strip():
                    self._utterances[index] = evolve(utterance, text=heard.strip())
                else:
                    del self._utterances[index]
                self.journal.enter(Corrected(utterance.number, heard.strip()))
                return

    def mark_new(self) -> None:
        self.fresh_from = self.mark
        self.journal.enter(Began(self.mark))

    def forget(self, since: float, before: float) -> None:
        """What was said from the one moment to just before the other, Unix time, was never said."""
        forgot = Forgot(since, before)
        self._utterances = deque((each for each in self if not forgot.covers(each)), maxlen=KEPT)
        self.forgets += 1
        self.journal.enter(forgot)

    def since(self, mark: int, *, unknown_to: str | None = None) -> tuple[Utterance, ...]:
        """What was said after the mark was taken, without what the model session `unknown_to` took part in itself."""
        said = (utterance for utterance in self._utterances if utterance.number >= mark)
        return tuple(each for each in said if unknown_to is None or each.by != unknown_to)

    def context(self) -> tuple[Utterance, ...]:
        """What belongs to the context that runs now."""
        return self.since(self.fresh_from)
