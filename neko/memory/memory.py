"""The memory of a house: what it has of each character, and a journal for each."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio
from attrs import frozen

from neko.conversation.history import History, Utterance
from neko.conversation.journal import Entry
from neko.conversation.past import Past
from neko.memory.finding import RECALL_S, Recollection, Wanted, after, page, recalled
from neko.memory.opening import InUse, open_database, open_nowhere
from neko.memory.reading import read_pasts
from neko.memory.writing import Writer
from neko.telemetry import get_logger
from neko.telemetry.metrics import Metrics

log = get_logger("memory")

PIECE = 500  # utterances that are read at a time: 2 ms in which nothing is written
RECALLED = 8  # utterances; no recap has room for more

Open = Callable[[Path], sqlite3.Connection]


class Memory:
    """Made by `open_memory`."""

    def __init__(self, writer: Writer, elsewhere: str = "") -> None:
        self.elsewhere = elsewhere
        """Why nothing is kept beyond this process; "" where it is."""
        self._writer = writer
        self._pasts: dict[str, Past] = {}

    @property
    def trouble(self) -> str | None:
        """Why what is said is not kept at the moment."""
        return self._writer.trouble

    def call_in_trouble(self, tell: Callable[[], None]) -> None:
        """Has `tell` called, once, whenever trouble begins."""
        self._writer.on_trouble = tell

    async def recollect(self) -> None:
        """Reads what is there of everybody, those included who may move in later. Raises `sqlite3.Error`."""
        self._pasts |= await self._writer.in_thread(partial(read_pasts, journal=self._journal, now=time.time()))

    def _journal(self, character: str) -> CharacterJournal:
        return CharacterJournal(character, self, self._writer)

    def of(self, character: str) -> Past:
        """What there is of a character. Always the same one: who moves in again may meet who is still moving out."""
        if character not in self._pasts:
            self._pasts[character] = Past(History(self._journal(character)))
        return self._pasts[character]

    def knows(self, character: str) -> bool:
        """Something was kept of it, whether it is still configured or not."""
        return character in self._pasts

    async def written(self) -> None:
        """As `Journal.written`, for all characters."""
        await self._writer.written()

    async def erased(self) -> bool:
        """As `Writer.erased`."""
        return await self._writer.erased()

    async def page(self, character: str, wanted: Wanted) -> tuple[Utterance, ...]:
        """As `finding.page`, everything that was said until now included. Raises `sqlite3.Error`."""
        await self._writer.written()
        return await self._writer.in_thread(partial(page, name=character, wanted=wanted))

    async def after(self, character: str, number: int) -> tuple[Utterance, ...]:
        """The next `PIECE` utterances, oldest first, all that was said until now included. Raises `sqlite3.Error`."""
        await self._writer.written()
        return await self._writer.in_thread(partial(after, name=character, number=number, limit=PIECE))

    async def recall(self, character: str, about: Recollection) -> tuple[Utterance, ...]:
        """As `finding.recalled`; nothing when the disk is busy or fails."""
        with trio.move_on_after(RECALL_S):
            try:
                return await self._writer.in_thread(partial(recalled, name=character, about=about))
            except sqlite3.Error as error:
                log.warning("memory.not_recalled", details=str(error))
        return ()


@frozen
class CharacterJournal:
    """One character's `Journal`."""

    _character: str
    _memory: Memory
    _writer: Writer

    @property
    def trouble(self) -> str | None:
        return self._writer.trouble

    def enter(self, entry: Entry) -> None:
        self._writer.enter(self._character, entry)

    @property
    def entered(self) -> int:
        return self._writer.entered

    async def written(self, upto: int | None = None) -> None:
        await self._writer.written(upto)

    async def recall(self, words: str, *, since: int, before: int) -> Sequence[Utterance]:
        return await self._memory.recall(self._character, Recollection(words, since, before, RECALLED))


@asynccontextmanager
async def open_memory(
    folder: Path, metrics: Metrics, open_file: Open = open_database, *, alone: bool = True
) -> AsyncIterator[Memory]:
    """The memory in this folder; what is entered until the context is left is still written.

    Not `alone`: where another neko has the folder, this one goes on without it and keeps nothing.

    Raises as `open_database`, before anything is begun.
    """
    database, elsewhere = await trio.to_thread.run_sync(_open, open_file, folder, alone)
    writer = Writer(database, metrics)
    try:
        memory = Memory(writer, elsewhere)
        await memory.recollect()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.run)
            yield memory
            nursery.cancel_scope.cancel()
    finally:
        await writer.close()  # noqa: ASYNC102 - it shields itself, with a deadline


def _open(open_file: Open, folder: Path, alone: bool) -> tuple[sqlite3.Connection, str]:
    try:
        return open_file(folder), ""
    except InUse as taken:
        if alone:
            raise
        log.warning("memory.elsewhere", details=str(taken))
        return open_nowhere(), str(taken)
