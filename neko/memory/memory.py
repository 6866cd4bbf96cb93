"""The memory of a house: journals of its characters, and the one task that writes what is entered in them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio
from attrs import frozen

from neko.conversation.history import History, Utterance
from neko.conversation.journal import Entry, Forgot
from neko.conversation.past import Past
from neko.memory.entering import Entered, erase_traces, write
from neko.memory.finding import RECALL_S, Recollection, Wanted, after, page, recalled
from neko.memory.opening import open_database
from neko.memory.reading import read_pasts
from neko.telemetry import get_logger
from neko.telemetry.metrics import Metrics

log = get_logger("memory")

MOST_WAITING = 4_000  # entries, a day of talk, while the disk takes none; then the oldest are given up, and counted
# Seconds that a turn end waits for a disk that says nothing. A commit takes milliseconds; one that spins up, seconds.
ANSWERS_WITHIN_S = 5.0
SILENT = f"the disk has not answered for {ANSWERS_WITHIN_S:g} s"
RETRY_S, RETRY_MOST_S = 1.0, 30.0  # between two tries; the wait doubles
PIECE = 500  # utterances that are read at a time: 2 ms in which nothing is written
RECALLED = 8  # utterances; no recap has room for more
CLOSE_WITHIN_S = 2.0  # for what was said last, when the house is already gone

Open = Callable[[Path], sqlite3.Connection]
T = TypeVar("T")


class Memory:
    """Made by `open_memory`. Whatever touches the file does so in a thread, one at a time."""

    def __init__(self, database: sqlite3.Connection, metrics: Metrics) -> None:
        self._database = database
        self._metrics = metrics
        self._one_at_a_time = trio.CapacityLimiter(1)
        self._pasts: dict[str, Past] = {}
        self._waiting: list[Entered] = []
        self._batch: list[Entered] = []  # being written
        self._entered = self._written = 0  # how many, ever
        self._since = 0.0  # when what waits first began to, or the disk took something last
        self._forgot = self._erased = 0  # the same of what was to be forgotten
        self._something = trio.Event()  # waits to be written
        self._progress = trio.Event()
        self.trouble: str | None = None
        """Why what is said is not kept at the moment."""
        self.on_trouble: Callable[[str], None] = lambda _: None
        """Told once, when it begins."""

    async def recollect(self) -> None:
        """Reads what is there of everybody, those included who may move in later. Raises `sqlite3.Error`."""
        self._pasts |= await self._in_thread(partial(read_pasts, self._database, self.journal, time.time()))

    def journal(self, character: str) -> CharacterJournal:
        return CharacterJournal(character, self)

    def of(self, character: str) -> Past:
        """What there is of a character. Always the same one: who moves in again may meet who is still moving out."""
        if character not in self._pasts:
            self._pasts[character] = Past(History(self.journal(character)))
        return self._pasts[character]

    def enter(self, character: str, entry: Entry) -> None:
        """Never waits."""
        if self._written == self._entered:
            self._since = trio.current_time()
        self._waiting.append(Entered(character, entry, time.time()))
        self._entered += 1
        self._forgot += isinstance(entry, Forgot)
        self._something.set()
        self._count()

    async def written(self) -> None:
        """As `Journal.written`, for all characters."""
        upto = self._entered
        while self._written < upto and self.trouble is None:
            with trio.move_on_at(self._since + ANSWERS_WITHIN_S) as waiting:
                await self._progress.wait()
            if waiting.cancelled_caught:
                self._in_trouble(SILENT)

    async def erased(self) -> bool:
        """Returns when nothing is left of what was forgotten until now; False when the disk refuses, and it will be
        tried again."""
        upto = self._forgot
        while self._erased < upto and self.trouble is None:
            await self._progress.wait()
        return self._erased >= upto

    def knows(self, character: str) -> bool:
        """Something was kept of it, whether it is still configured or not."""
        return character in self._pasts

    async def page(self, character: str, wanted: Wanted) -> tuple[Utterance, ...]:
        """As `finding.page`, everything that was said until now included. Raises `sqlite3.Error`."""
        await self.written()
        return await self._in_thread(partial(page, self._database, character, wanted))

    async def after(self, character: str, number: int) -> tuple[Utterance, ...]:
        """The next `PIECE` utterances, oldest first, all that was said until now included. Raises `sqlite3.Error`."""
        await self.written()
        return await self._in_thread(partial(after, self._database, character, number, PIECE))

    async def recall(self, character: str, about: Recollection) -> tuple[Utterance, ...]:
        """As `finding.recalled`; nothing when the disk is busy or fails."""
        with trio.move_on_after(RECALL_S):
            try:
                return await self._in_thread(partial(recalled, self._database, character, about))
            except sqlite3.Error as error:
                log.warning("memory.not_recalled", details=str(error))
        return ()

    async def run(self) -> None:
        """Writes what is entered, until cancelled; what is entered meanwhile is one transaction."""
        retry_s = RETRY_S
        while True:
            await self._something.wait()
            if await self._write():
                retry_s = RETRY_S
            else:
                await trio.sleep(retry_s)
                retry_s = min(2 * retry_s, RETRY_MOST_S)

    async def close(self) -> None:
        """What was said last is still written, if the disk takes it; the file is closed."""
        with trio.move_on_after(CLOSE_WITHIN_S, shield=True):
            if (self._waiting or self._erased < self._forgot) and not await self._write():
                log.error("memory.lost", entries=len(self._waiting))
        with trio.move_on_after(CLOSE_WITHIN_S, shield=True):
            await self._in_thread(self._database.close)

    async def _write(self) -> bool:
        """Writes what waits; False when the disk does not take it, and it goes on waiting."""
        self._something = trio.Event()
        try:
            await self._commit()
            await self._erase()
        except sqlite3.Error as error:
            self._metrics.refusals.inc()
            self._something.set()
            self._in_trouble(str(error))
            return False
        if self.trouble is not None:
            log.info("memory.well")
            self.trouble = None
        return True

    async def _commit(self) -> None:
        self._batch, self._waiting = self._waiting, []
        upto = self._entered
        try:
            with self._metrics.commits.time():
                await self._in_thread(partial(write, self._database, self._batch))
        except (sqlite3.Error, trio.Cancelled):
            self._waiting = self._batch + self._waiting
            raise
        finally:
            self._batch = []
            self._count()
        self._written, self._since = upto, trio.current_time()
        self._wake()

    async def _erase(self) -> None:
        upto = self._forgot
        if any(isinstance(each.entry, Forgot) for each in self._waiting):
            return  # with the next transaction
        if self._erased < upto:
            await self._in_thread(partial(erase_traces, self._database))
            self._erased = upto
            self._wake()

    def _in_trouble(self, why: str) -> None:
        if self.trouble is None:
            log.error("memory.not_kept", details=why)
            self.trouble = why
            self.on_trouble(why)
        self._wake()

    def _wake(self) -> None:
        self._progress.set()
        self._progress = trio.Event()

    def _count(self) -> None:
        """What is more than may wait is given up, the oldest first."""
        over = len(self._waiting) - MOST_WAITING
        if over > 0:
            del self._waiting[:over]
            self._metrics.given_up.inc(over)
        self._metrics.unwritten.set(len(self._batch) + len(self._waiting))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(work, limiter=self._one_at_a_time)


@frozen
class CharacterJournal:
    """One character's `Journal`."""

    _character: str
    _memory: Memory

    @property
    def trouble(self) -> str | None:
        return self._memory.trouble

    def enter(self, entry: Entry) -> None:
        self._memory.enter(self._character, entry)

    async def written(self) -> None:
        await self._memory.written()

    async def recall(self, words: str, *, since: int, before: int) -> Sequence[Utterance]:
        return await self._memory.recall(self._character, Recollection(words, since, before, RECALLED))


@asynccontextmanager
async def open_memory(folder: Path, metrics: Metrics, open_file: Open = open_database) -> AsyncIterator[Memory]:
    """The memory in this folder; what is entered until the context is left is still written.

    Raises as `open_database`, before anything is begun.
    """
    database = await trio.to_thread.run_sync(open_file, folder)
    memory = Memory(database, metrics)
    try:
        await memory.recollect()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(memory.run)
            yield memory
            nursery.cancel_scope.cancel()
    finally:
        await memory.close()
