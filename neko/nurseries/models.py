"""The model sessions of one session: dialled, inherited from the session before, kept for the next one, closed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import trio
from attrs import define, evolve, field

from neko.conversation.history import History, Role
from neko.nurseries.model_session import run_model_session
from neko.nurseries.plan import Plan
from neko.nurseries.ports import Connect, Resume
from neko.nurseries.recap import recall, recap
from neko.nurseries.slot import Listener, Slot
from neko.nurseries.takeover import catch_up
from neko.realtime.errors import ProviderError, SessionLost
from neko.telemetry import get_logger

log = get_logger("models")

ORPHANED = "the model session ended with the session that had prepared it"


@define(eq=False)
class Models:
    """Made by `open_models`."""

    _nursery: trio.Nursery
    _connect: Connect
    _resume: Resume | None
    _history: History
    _listener: Listener
    _slots: list[Slot] = field(factory=list, init=False)
    _kept: Slot | None = field(default=None, init=False)
    _handed: trio.Event = field(factory=trio.Event, init=False)

    async def dial(self, plan: Plan, *, but: Collection[int] = ()) -> Slot:
        """A session that was told what was said before the first of these utterances: they are still being asked.

        Raises `ProviderError`.
        """
        mark = min(but, default=self._history.mark)
        forgets = self._history.forgets
        recalled = await recall(plan.snapshot, self._history, mark)
        lines = recap(plan.snapshot, self._history, mark, recalled)
        told = evolve(plan, lines=lines, mark=mark, forgets=forgets)
        slot: Slot = await self._nursery.start(run_model_session, self._connect, told, self._listener)
        self._own(slot)
        if slot.lost is not None:
            raise slot.lost
        return slot

    async def resume(self, lost: Slot) -> Slot | None:
        """A session that goes on with the conversation of a lost one, as its provider remembers it; None: it cannot.

        What was said since the provider gave the handle is unknown to it.
        """
        resume, resumable = self._resume, lost.resumable
        if resume is None or resumable is None or lost.plan.forgets != self._history.forgets:
            return None
        handle, mark = resumable
        lost.resumable = None  # one try: it is refused as long as the provider has not noticed the loss

        told = evolve(lost.plan, lines=(), mark=self._after(mark, lost))
        try:
            slot: Slot = await self._nursery.start(
                run_model_session, lambda snapshot, mode, _: resume(snapshot, mode, handle), told, self._listener
            )
        except ProviderError as error:
            log.info("session.not_resumed", details=error.details)
            return None
        self._own(slot)
        slot.wearing.goes_on(lost.wearing)
        return slot if slot.lost is None else None

    def _after(self, mark: int, lost: Slot) -> int:
        """A handle comes with the end of a reply, which is entered when it has been told: a moment later."""
        said = next(iter(self._history.since(mark)), None)
        known = said is not None and said.role is Role.ASSISTANT and said.by == lost.id
        return said.number + 1 if said is not None and known else mark

    async def adopt(self, slot: Slot, plan: Plan, *, fresh: bool) -> Slot | None:
        """A session that another one prepared is ours now, and used if it is one of this plan and still there.

        A `fresh` context has no use for one that was told what was said before, and one that was told what has been
        forgotten since is of no use to anybody.
        """
        self._own(slot)
        slot.listener, slot.plan = self._listener, evolve(slot.plan, wishes=plan.wishes)
        if fresh or slot.gone or not slot.plan.same(plan) or slot.plan.forgets != self._history.forgets:
            slot.scope.cancel()
            return None
        try:
            await catch_up(slot, self._history)
        except ProviderError:
            slot.scope.cancel()
            return None
        return slot

    async def close(self, *, but: Slot | None) -> None:
        """Returns when all are closed."""
        closing = [slot for slot in self._slots if slot is not but]
        for slot in closing:
            slot.scope.cancel()
        for slot in closing:
            await slot.over.wait()

    async def keep(self, slot: Slot) -> None:
        """Has a session wait for somebody to take it, for `keep_warm_s`."""
        self._kept = slot
        with trio.move_on_after(slot.plan.snapshot.session.keep_warm_s):
            await self._handed.wait()
        # No checkpoint since: it is either somebody's, or closed.
        if self.hand_over() is not None:
            slot.scope.cancel()

    def hand_over(self) -> Slot | None:
        """The session that is kept, if there is one; it is the taker's now."""
        slot, self._kept = self._kept, None
        self._handed.set()
        return slot

    def disown(self) -> None:
        for slot in self._slots:
            if slot.listener is self._listener:
                slot.scope.cancel()

    def orphan(self) -> None:
        """A bug has ended all of them, those that are somebody else's as well: whoever took one has lost it."""
        for slot in self._slots:
            if slot.listener is not self._listener and slot.lost is None and not slot.scope.cancel_called:
                slot.lost = SessionLost(ORPHANED)
                slot.listener.on_lost(slot, slot.lost)

    def _own(self, slot: Slot) -> None:
        self._slots = [each for each in self._slots if not each.over.is_set()] + [slot]


@asynccontextmanager
async def open_models(
    connect: Connect, history: History, listener: Listener, *, resume: Resume | None = None
) -> AsyncIterator[Models]:
    """Leaving the context closes all of them but one that was handed over: that one is waited for.

    A bug in one of them ends the context with it.
    """
    models = None
    try:
        async with trio.open_nursery() as nursery:
            models = Models(nursery, connect, resume, history, listener)
            try:
                yield models
            finally:
                models.disown()
    except Exception:
        if models is not None:
            models.orphan()
        raise
