"""The open model sessions of one character, and how they stand to the one that the person talks to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from enum import StrEnum

from neko.config.snapshot import Snapshot
from neko.nurseries.ports import Connect, Resume
from neko.protocol.client import InputMode
from neko.realtime.session import Line, ModelSession


class Standing(StrEnum):
    """A session only ever goes forward: prepared, talked to, on its way home."""

    PENDING = "pending"
    CURRENT = "current"
    RETIRED = "retired"


class OpenSessions:
    """Counts at the door: what was dialled and is not closed yet, whoever thinks that it owns it."""

    def __init__(self, connect: Connect, resume: Resume | None) -> None:
        self._connect = connect
        self._resume = resume
        self._open: list[ModelSession] = []  # oldest first

    @asynccontextmanager
    async def connect(self, snapshot: Snapshot, mode: InputMode, lines: Sequence[Line]) -> AsyncIterator[ModelSession]:
        async with self._counted(self._connect(snapshot, mode, lines)) as session:
            yield session

    @asynccontextmanager
    async def resume(self, snapshot: Snapshot, mode: InputMode, handle: str) -> AsyncIterator[ModelSession]:
        assert self._resume is not None  # otherwise nobody has a handle
        async with self._counted(self._resume(snapshot, mode, handle)) as session:
            yield session

    @asynccontextmanager
    async def _counted(self, opened: AbstractAsyncContextManager[ModelSession]) -> AsyncIterator[ModelSession]:
        async with opened as session:
            self._open.append(session)
            try:
                yield session
            finally:
                self._open.remove(session)

    def standing(self, current: ModelSession | None) -> dict[str, int]:
        """Of those dialled before the current session nobody wants more; those after it wait for their turn."""
        at = [number for number, session in enumerate(self._open) if session is current]
        before = sum(at)  # at most one number
        return {
            Standing.PENDING: len(self._open) - before - len(at),
            Standing.CURRENT: len(at),
            Standing.RETIRED: before,
        }
