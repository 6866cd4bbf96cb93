"""A memory in a folder of the test's own, and disks that fail on request."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import define, evolve, field

from neko.conversation.history import History, Utterance
from neko.memory import Memory, open_memory
from neko.memory.opening import open_database
from neko.telemetry.metrics import Metrics

ROOM = 1 << 30  # pages: SQLite's own limit


@define
class Disk:
    """Where a memory lives; `fill` leaves no page, `hold` keeps the next transaction from ending until `let_go`."""

    metrics: Metrics = field(factory=Metrics)
    commits: list[str] = field(factory=list)
    _database: sqlite3.Connection | None = None
    _gate: threading.Event = field(factory=threading.Event)

    def __attrs_post_init__(self) -> None:
        self._gate.set()

    def open(self, folder: Path) -> sqlite3.Connection:
        self._database = open_database(folder)
        self._database.set_trace_callback(self._trace)
        return self._database

    def fill(self) -> None:
        assert self._database is not None
        self._database.execute("PRAGMA max_page_count = 1")  # what there is already is the least that it takes

    def empty(self) -> None:
        assert self._database is not None
        self._database.execute(f"PRAGMA max_page_count = {ROOM}")

    def hold(self) -> None:
        self._gate.clear()

    def let_go(self) -> None:
        self._gate.set()

    def _trace(self, statement: str) -> None:
        if statement == "COMMIT":
            self.commits.append(statement)
            self._gate.wait()

    def counted(self, metric: str) -> float:
        text = self.metrics.exposition("")[0].decode()
        return float(next(line.split()[-1] for line in text.splitlines() if line.startswith(f"{metric} ")))


@asynccontextmanager
async def remembered(folder: Path, disk: Disk | None = None) -> AsyncIterator[Memory]:
    disk = disk or Disk()
    async with open_memory(folder, disk.metrics, disk.open) as memory:
        yield memory


def said(history: History) -> list[Utterance]:
    """Without the model sessions that took part: those are gone with the process."""
    return [evolve(each, by=None) for each in history]


def texts(history: History) -> list[str]:
    return [each.text for each in history]


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("conversations.sqlite3*")))
