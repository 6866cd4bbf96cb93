"""What of a character outlives the process: entered in order, durable soon after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neko.conversation.history import Utterance


@frozen
class Said:
    """An utterance; its number is new."""

    utterance: Utterance


@frozen
class Corrected:
    """Of this utterance only so much was said; "" means nothing."""

    number: int
    text: str = field(repr=False)


@frozen
class Began:
    """A fresh context: what comes before this number is no longer told to models."""

    number: int


@frozen
class Forgot:
    """The person wants nothing of this to be left; `before` is not part of it."""

    since: float
    before: float

    def covers(self, utterance: Utterance) -> bool:
        return self.since <= utterance.at < self.before


@frozen
class ResultBrought:
    """An agent's result waits to be told; `record` is what `AgentCallbacks` needs to know it again, JSON."""

    id: str
    at: float
    record: str = field(repr=False)


@frozen
class ResultTold:
    """The person has heard it; entered together with the words that told it."""

    id: str


@frozen
class ResultExpired:
    """Nobody will be told."""

    id: str


Entry = Said | Corrected | Began | Forgot | ResultBrought | ResultTold | ResultExpired


class Journal(Protocol):
    """One character's. What is entered without a checkpoint between is durable together or not at all."""

    @property
    def trouble(self) -> str | None:
        """Why what is entered is not kept at the moment."""
        ...

    def enter(self, entry: Entry) -> None:
        """Never waits."""
        ...

    @property
    def entered(self) -> int:
        """How much has been entered until now, for `written`."""
        ...

    async def written(self, upto: int | None = None) -> None:
        """Returns when everything that was entered until now is durable, or so much of it as `entered` was then.

        A conversation does not wait for a broken disk: from the first failure to the next success this returns at
        once, and a disk that does not answer counts as one that failed. That is told to people elsewhere.
        """
        ...

    async def recall(self, words: str, *, since: int, before: int) -> Sequence[Utterance]:
        """What has the most to do with these words, first, of what was said with numbers from `since` to just below
        `before`; a handful. Nothing when that would take long.
        """
        ...


class NoJournal:
    """Keeps nothing: a `Journal` for a character that lives as long as its process."""

    trouble: str | None = None
    entered: int = 0

    def enter(self, entry: Entry) -> None:
        pass

    async def written(self, upto: int | None = None) -> None:
        pass

    async def recall(self, words: str, *, since: int, before: int) -> Sequence[Utterance]:  # noqa: ARG002
        return ()
