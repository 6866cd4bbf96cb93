"""What agents have brought for the person: each result is told once, however sessions come and go."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from hashlib import blake2b
from math import inf
from uuid import uuid4

import orjson
from attrs import define, evolve, field, frozen

from neko.conversation.journal import Journal, NoJournal, ResultBrought, ResultExpired, ResultTold
from neko.protocol.agents.reports import Delivery
from neko.telemetry import get_logger
from neko.telemetry.seldom import Seldom

log = get_logger("callbacks")

KEPT = 100  # results that wait; the oldest makes room
KEPT_S = 3_600.0  # that a result waits; later it is no news any more
# Results by which a second delivery is known for what it is, as long as they are kept at most: one every 0.2 s. What is
# brought faster than that is noise, and 3 MiB of it are enough.
REMEMBERED = 20_000
LONGEST_ID = 150  # characters of a task's id that are remembered as they are; every usual kind is shorter
LISTED = 200  # results that nobody was told; twice what may wait
RETRY_S, RETRY_MOST_S = 1.0, 300.0  # after a reply that told nothing; the first time at once, then doubled


class Fate(StrEnum):
    """What becomes of a result."""

    BROUGHT = "brought"
    AGAIN = "again"  # it had been brought before
    TOLD = "told"
    EXPIRED = "expired"  # nobody was told: it waited too long, or too many came after it


def new_result_id() -> str:
    return uuid4().hex


def result_id(task_id: str, status: str) -> str:
    """The same for two deliveries of one result; a status has no space in it."""
    if len(task_id) > LONGEST_ID:
        task_id = blake2b(task_id.encode(errors="surrogatepass")).hexdigest()
    return f"{task_id} {status}"


@frozen
class Callback:
    """One result. Two with the same `id` are one result that was brought twice; `at` is Unix time in seconds."""

    text: str = field(repr=False)
    id: str = field(factory=new_result_id)
    delivery: Delivery = Delivery.PROACTIVE
    source: str = ""
    at: float = field(factory=time.time)


@define(eq=False)
class _Waiting:
    callback: Callback
    expires_at: float
    failures: int = 0
    not_before: float = -inf


class AgentCallbacks:
    """One character's results, oldest first; iterable, what is being told included. Sync: no truth has a pause in it.

    A result waits until it is taken, is being told until `told`, and waits again when the telling came to nothing. With
    the first word of the reply that tells it it counts as told; durable is that with the words, by `said`. A process
    that ends between the two has not finished telling, and the next one tells it again.

    `clock` is what limits are measured by while the process lives; across processes it is Unix time.
    """

    def __init__(self, journal: Journal | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._journal = NoJournal() if journal is None else journal
        self._clock = clock
        self._waiting: dict[str, _Waiting] = {}
        self._telling: dict[str, _Waiting] = {}
        self._known: dict[str, float] = {}  # until when
        self._expired: deque[Callback] = deque(maxlen=LISTED)
        self._fates = Counter(dict.fromkeys(Fate, 0))
        self._seldom = Seldom(clock)

    def __iter__(self) -> Iterator[Callback]:
        return iter([each.callback for each in (*self._telling.values(), *self._waiting.values())])

    def __len__(self) -> int:
        return len(self._telling) + len(self._waiting)

    @property
    def expired(self) -> tuple[Callback, ...]:
        """Those that nobody was told, the youngest of them, oldest first."""
        self._expire()
        return tuple(self._expired)

    @property
    def fates(self) -> Mapping[Fate, int]:
        """How many so far."""
        self._expire()
        return self._fates

    @property
    def news_wait(self) -> bool:
        """There is something to tell now."""
        return self._first_news() is not None

    @property
    def notes_wait(self) -> bool:
        """There is something to tell with the next answer, or to know."""
        return any(each.callback.delivery is not Delivery.PROACTIVE for each in self._ripe())

    def waits(self, delivery: Delivery) -> bool:
        """Something that is told at the same moments is ripe."""
        return self.news_wait if delivery is Delivery.PROACTIVE else self.notes_wait

    @property
    def next_at(self) -> float:
        """When the next one is ripe that is not yet; infinite when there is none."""
        now = self._clock()
        return min((each.not_before for each in self._waiting.values() if each.not_before > now), default=inf)

    # --- in ------------------------------------------------------------------------------------------------------

    def append(self, result: Callback | str) -> bool:
        """False when this result was brought before, in the last hour."""
        callback = Callback(result) if isinstance(result, str) else result
        self._expire()
        if callback.id in self._known or callback.id in self._telling:
            self._fates[Fate.AGAIN] += 1
            return False
        self._fates[Fate.BROUGHT] += 1
        self._journal.enter(ResultBrought(callback.id, callback.at, _record(callback)))
        self._wait(callback, KEPT_S)
        return True

    def restore(self, brought: Iterable[ResultBrought], known: Iterable[str]) -> None:
        """What waited when the process before ended, oldest first, and the ids of what it had been brought lately."""
        now = time.time()
        for each in known:
            self._remember(each)
        for entry in brought:
            # A clock that was set back makes nothing wait for longer.
            self._wait(_read(entry), min(entry.at + KEPT_S - now, KEPT_S))
        self._expire()

    # --- out -----------------------------------------------------------------------------------------------------

    def take(self) -> Callback | None:
        """The oldest that is to be told now, if there is one. It is being told from now on."""
        news = self._first_news()
        return None if news is None else self._take(news)

    def take_notes(self, most: int) -> list[Callback]:
        """So many at most of what is to be told with the next answer, or to be known. They are being told from now."""
        notes = [each for each in self._ripe() if each.callback.delivery is not Delivery.PROACTIVE]
        return [self._take(each) for each in notes[:most]]

    def told(self, callbacks: Iterable[Callback]) -> None:
        """A reply that tells them has begun, or a model knows what it was only to know."""
        for each in callbacks:
            if self._telling.pop(each.id, None) is not None:
                self._fates[Fate.TOLD] += 1

    def said(self, callbacks: Iterable[Callback]) -> None:
        """The words that told them are in the history: entered together with those, without a checkpoint between."""
        for each in callbacks:
            self._journal.enter(ResultTold(each.id))

    def put_back(self, callbacks: Iterable[Callback]) -> None:
        """Those of them that are being told never will be: they wait again, before the rest."""
        again = [self._telling.pop(each.id) for each in callbacks if each.id in self._telling]
        self._waiting = {each.callback.id: each for each in again} | self._waiting
        self._make_room()

    def failed(self, callbacks: Iterable[Callback]) -> None:
        """A reply that was to tell them had no words. They wait again, and for longer each time."""
        untold = [each for each in callbacks if each.id in self._telling]
        for each in untold:
            entry = self._telling[each.id]
            if entry.failures:
                entry.not_before = self._clock() + min(RETRY_S * 2 ** (entry.failures - 1), RETRY_MOST_S)
            entry.failures += 1
        self.put_back(untold)

    # --- within --------------------------------------------------------------------------------------------------

    def _wait(self, callback: Callback, for_s: float) -> None:
        self._remember(callback.id)
        self._waiting[callback.id] = _Waiting(callback, self._clock() + for_s)
        self._make_room()

    def _remember(self, known: str) -> None:
        self._known[known] = self._clock() + KEPT_S
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

    def _ripe(self) -> Iterator[_Waiting]:
        self._expire()
        now = self._clock()
        return (each for each in list(self._waiting.values()) if each.not_before <= now)

    def _first_news(self) -> _Waiting | None:
        return next((each for each in self._ripe() if each.callback.delivery is Delivery.PROACTIVE), None)

    def _take(self, entry: _Waiting) -> Callback:
        callback = entry.callback
        self._telling[callback.id] = self._waiting.pop(callback.id)
        return callback

    def _make_room(self) -> None:
        while len(self._waiting) > KEPT:
            self._give_up(next(iter(self._waiting.values())))

    def _expire(self) -> None:
        now = self._clock()
        for entry in [each for each in self._waiting.values() if each.expires_at <= now]:
            self._give_up(entry)
        while self._known and (oldest := next(iter(self._known.items())))[1] <= now:
            del self._known[oldest[0]]

    def _give_up(self, entry: _Waiting) -> None:
        callback = self._waiting.pop(entry.callback.id).callback
        self._expired.append(callback)
        self._fates[Fate.EXPIRED] += 1
        self._journal.enter(ResultExpired(callback.id))
        if times := self._seldom.count("expired"):
            log.warning("result.expired", result=callback.id, source=callback.source, times=times)


def _record(callback: Callback) -> str:
    return orjson.dumps({"text": callback.text, "delivery": callback.delivery, "source": callback.source}).decode()


def _read(entry: ResultBrought) -> Callback:
    record = orjson.loads(entry.record)
    return evolve(Callback(record["text"], entry.id, Delivery(record["delivery"]), record["source"]), at=entry.at)
