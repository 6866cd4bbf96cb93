"""The one task that writes what is entered in the journals, and what happens when the disk takes none of it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import trio

from neko.conversation.journal import Entry, Forgot
from neko.memory.entering import Entered, erase_traces, write
from neko.telemetry import get_logger
from neko.telemetry.metrics import Metrics

log = get_logger("memory")

MOST_WAITING = 4_000  # entries, a day of talk, while the disk takes none; then the oldest are given up, and counted
# Seconds that a turn end waits for a disk that says nothing. A commit takes milliseconds; one that spins up, seconds.
ANSWERS_WITHIN_S = 5.0
SILENT = f"the disk has not answered for {ANSWERS_WITHIN_S:g} s"
# Seconds that what nobody waits for is gathered: agents may bring hundreds of results in one, and each transaction
# costs the event loop 0.3 ms. A turn's end is waited for, and takes everything before it along.
GATHERED_S = 0.05
RETRY_S, RETRY_MOST_S = 1.0, 30.0  # between two tries; the wait doubles
CLOSE_WITHIN_S = 2.0  # for what was said last, when the house is already gone

T = TypeVar("T")


class Writer:
    """Owns the open file. Whatever touches it does so in a thread, one at a time: see `in_thread`."""

    def __init__(self, database: sqlite3.Connection, metrics: Metrics) -> None:
        self._database = database
        self._metrics = metrics
        self._one_at_a_time = trio.CapacityLimiter(1)
        self._waiting: list[Entered] = []
        self._batch: list[Entered] = []  # being written
        self.entered = self._written = 0  # how many, ever
        self._since = 0.0  # when what waits first began to, or the disk took something last
        self._forgot = self._erased = 0  # the same of what was to be forgotten
        self._something = trio.Event()  # waits to be written
        self._wanted = trio.Event()  # somebody waits for it
        self._progress = trio.Event()
        self.trouble: str | None = None
        """Why what is said is not kept at the moment."""
        self.on_trouble: Callable[[], None] = lambda: None
        """Called once, when it begins."""

    def enter(self, character: str, entry: Entry) -> None:
        """Never waits."""
        if self._written == self.entered:
            self._since = trio.current_time()
        self._waiting.append(Entered(character, entry, time.time()))
        self.entered += 1
        self._forgot += isinstance(entry, Forgot)
        self._something.set()
        self._count()

    async def written(self, upto: int | None = None) -> None:
        """As `Journal.written`, for all characters."""
        upto = self.entered if upto is None else upto
        self._wanted.set()
        while self._written < upto and self.trouble is None:
            with trio.move_on_at(self._since + ANSWERS_WITHIN_S) as waiting:
                await self._progress.wait()
            if waiting.cancelled_caught:
                self._in_trouble(SILENT)

    async def erased(self) -> bool:
        """Returns when nothing is left of what was forgotten until now; False when the disk refuses, and it will be
        tried again."""
        upto = self._forgot
        self._wanted.set()
        while self._erased < upto and self.trouble is None:
            await self._progress.wait()
        return self._erased >= upto

    async def run(self) -> None:
        """Writes what is entered, until cancelled; what is entered meanwhile is one transaction."""
        retry_s = RETRY_S
        while True:
            await self._something.wait()
            with trio.move_on_after(GATHERED_S):
                await self._wanted.wait()
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
            await self.in_thread(sqlite3.Connection.close)

    async def _write(self) -> bool:
        """Writes what waits; False when the disk does not take it, and it goes on waiting."""
        self._something, self._wanted = trio.Event(), trio.Event()
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
        upto = self.entered
        try:
            with self._metrics.commits.time():
                await self.in_thread(partial(write, batch=self._batch))
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
            await self.in_thread(erase_traces)
            self._erased = upto
            self._wake()

    def _in_trouble(self, why: str) -> None:
        if self.trouble is None:
            log.error("memory.not_kept", details=why)
            self.trouble = why
            self.on_trouble()
        self._wake()

    def _wake(self) -> None:
        self._progress.set()
        self._progress = trio.Event()

    def _count(self) -> None:
        """What is more than may wait is given up, the oldest first."""
        over = len(self._waiting) - MOST_WAITING
        if over > 0:
            # That something is to be forgotten is never given up.
            kept = [each for each in self._waiting[:over] if isinstance(each.entry, Forgot)]
            self._metrics.given_up.inc(over - len(kept))
            self._waiting[:over] = kept
        self._metrics.unwritten.set(len(self._batch) + len(self._waiting))

    async def in_thread(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Has this done with the file, after what others have asked for. Not to be cancelled once it has begun."""
        return await trio.to_thread.run_sync(work, self._database, limiter=self._one_at_a_time)
