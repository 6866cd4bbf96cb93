"""Background preparation: the next model session, at most one, and the moment at which it takes over."""

from __future__ import annotations

from math import inf
from typing import Protocol

import trio
from attrs import define, evolve, field, frozen

from neko.config.model import Prepare
from neko.conversation.backoff import Backoff
from neko.conversation.history import History
from neko.conversation.renewal import Reason, Renewal, fresh_until, renewal
from neko.conversation.tokens import tokens
from neko.nurseries.inbox import Inbox, Swap
from neko.nurseries.plan import Plan
from neko.nurseries.slot import Slot
from neko.realtime.errors import ProviderError, SessionLost

RETRY_S, RETRY_MOST_S = 1.0, 60.0  # of the back-off between two tries to prepare a session
TAIL_TOKENS = 1_000  # said since a session was prepared; more would be read when it takes over, while somebody waits
LULL_WITHIN = 1.0  # seconds; where somebody always starts, nothing would ever be prepared
LATE = "the new session did not come up in time"


@frozen
class Wish:
    """A session that somebody asked for, and by when it is to take over whatever is being said."""

    plan: Plan
    by: float
    earlier: Wish | None = None  # what was on its way when it came, and what is left if it fails


class Running(Protocol):
    """The conversation that is to go on."""

    @property
    def slot(self) -> Slot:
        """The model session that the person talks to."""
        ...

    @property
    def quiet_since(self) -> float | None:
        """Nobody speaks and nobody waits since then; None: somebody does."""
        ...

    @property
    def untold(self) -> bool:
        """Agents have brought something that this model session cannot be told."""
        ...

    def newest(self) -> Plan:
        """The same session as the configuration wants it now."""
        ...

    async def dial(self, plan: Plan) -> Slot:
        """A session of that plan. Raises `ProviderError`."""
        ...

    async def lull(self) -> None:
        """Returns when nobody waits for a session to start: what is prepared ahead must not keep them waiting."""
        ...

    def refused(self, plan: Plan, reason: Reason | None, error: ProviderError) -> None:
        """No session of this plan came up, or it was gone before it could take over. None: there was no reason yet."""
        ...


@define(eq=False)
class Renewing:
    """Runs beside the conversation, and decides again whenever something has changed.

    `pending` is connected and waits; `offered` is it once its time has come. Who conducts moves the pointer.
    """

    _running: Running
    _inbox: Inbox
    _history: History
    pending: Slot | None = field(default=None, init=False)
    offered: Swap | None = field(default=None, init=False)
    _wish: Wish | None = field(default=None, init=False)
    _dialling: tuple[Plan, trio.CancelScope] | None = field(default=None, init=False)
    _retry_at: float = field(default=-inf, init=False)
    _backoff: Backoff = field(factory=lambda: Backoff(RETRY_S, RETRY_MOST_S), init=False)
    _changed: trio.Event = field(factory=trio.Event, init=False)

    @property
    def plan(self) -> Plan:
        """What the session is, or is on its way to."""
        return self._wish.plan if self._wish else self._running.slot.plan

    def look(self) -> None:
        """Something has changed."""
        self._changed.set()
        self._changed = trio.Event()

    def ask(self, wish: Wish) -> None:
        """The newer wish counts."""
        self._wish = evolve(wish, earlier=evolve(self._wish, earlier=None) if self._wish else None)
        self._revise(wish.plan)

    def withdraw(self) -> None:
        """The session that runs is what is wanted after all."""
        self._wish = None
        self._revise(self._running.newest())

    def _revise(self, plan: Plan) -> None:
        """What was begun for another plan is given up; the loop does the rest."""
        if self.offered is not None and not self.offered.pending.plan.same(plan):
            self.offered = None
        if self._dialling is not None and not self._dialling[0].same(plan):
            self._dialling[1].cancel()
        self._encouraged()

    def promote(self) -> bool:
        """Offers the prepared session at once, whatever is being said; False when none is there."""
        if self.pending is None or self.pending.gone or self._knows_too_much(self.pending):
            return False
        self.offered = Swap(self.pending, Reason.REQUESTED, trio.current_time())
        self._inbox.post(self.offered)
        return True

    def take(self) -> Slot | None:
        """The prepared session, if it is there, for the place of one that is gone."""
        slot, self.pending, self.offered = self.pending, None, None
        if slot is not None and self._wish is not None and slot.plan.same(self._wish.plan):
            self._wish = None
        self.look()
        if slot is not None and self._knows_too_much(slot):
            slot.scope.cancel()
        return None if slot is None or slot.gone else slot

    def accepted(self) -> None:
        """What was offered has taken over."""
        self.pending = self.offered = self._wish = None
        self._encouraged()

    def offers(self, slot: Slot) -> bool:
        """It is still to take over."""
        return self.offered is not None and self.offered.pending is slot and not self._knows_too_much(slot)

    def declined(self, slot: Slot, error: ProviderError) -> None:
        """What was offered could not take over, or is not wanted any more."""
        slot.scope.cancel()
        if self.offered is not None and self.offered.pending is slot:
            plan, reason = slot.plan, self.offered.reason
            self._drop()
            self._discouraged(plan, reason, error)
        self.look()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            due = self._due()
            if self.pending is not None and not self._usable(self.pending):
                self._put_away(self.pending)
            if self.offered is not None:
                self._hurry(self.offered, due)
                await self._wait(due)
            elif self.pending is not None and due is not None and due.at <= trio.current_time():
                self._offer(self.pending, due)
            elif self._wanted_now(due):
                await self._prepare(due)
            else:
                await self._wait(due)

    def _due(self) -> Renewal | None:
        """What comes first; a wish comes at once, as that something be forgotten."""
        running, slot = self._running, self._running.slot
        policy = slot.plan.snapshot.session
        outdated = not self._running.newest().same(slot.plan)
        wear = slot.wearing.wear(quiet_since=running.quiet_since, outdated=outdated, untold=running.untold)
        due = renewal(wear, slot.wearing.limits(policy))
        if self._wish is None and not self._knows_too_much(slot):
            return due
        by = self._wish.by if self._wish else inf
        return Renewal(Reason.REQUESTED, -inf, -inf, min(by, due.by if due else inf))

    def _knows_too_much(self, slot: Slot) -> bool:
        """The person wants something forgotten that it was told."""
        return slot.plan.forgets != self._history.forgets

    def _next(self) -> Plan:
        return self._wish.plan if self._wish else self._running.newest()

    def _usable(self, slot: Slot) -> bool:
        return not slot.gone and slot.plan.same(self._next()) and not self._knows_too_much(slot)

    def _fresh(self, slot: Slot, due: Renewal | None) -> bool:
        """Waiting longer does not make it worth less than one that is connected now.

        Shortly before a limit one is wanted that has all of its life before it; once a swap is due, or may be due with
        the next turn, the one that is there will do.
        """
        now = trio.current_time()
        if due is not None and due.reason is Reason.EXPIRES and due.prepare_at <= now < due.at:
            return slot.wearing.since >= due.prepare_at
        if due is not None and due.prepare_at <= now:
            return True
        tail = sum(tokens(each.text) for each in self._history.since(slot.told))
        return tail <= TAIL_TOKENS and now < _fresh_until(slot)

    def _wanted_now(self, due: Renewal | None) -> bool:
        """A session is to be connected; one that waits already stays until it is."""
        now, eager = trio.current_time(), self._running.slot.plan.snapshot.session.prepare is Prepare.EAGER
        if now < self._retry_at or (self.pending is not None and self._fresh(self.pending, due)):
            return False
        return eager or (due is not None and due.prepare_at <= now)

    async def _wait(self, due: Renewal | None) -> None:
        """For a change, or for the next moment at which something else is to be done."""
        now, times = trio.current_time(), [self._retry_at]
        times += [due.prepare_at, due.at] if due else []
        times += [_fresh_until(self.pending)] if self.pending else []
        with trio.move_on_at(min((at for at in times if at > now), default=inf)):
            await self._changed.wait()

    async def _prepare(self, due: Renewal | None) -> None:
        plan, reason = self._next(), due.reason if due and due.at <= trio.current_time() else None
        with trio.CancelScope() as dialling:
            self._dialling = (plan, dialling)
            try:
                if reason is None and self._wish is None:
                    with trio.move_on_after(LULL_WITHIN):
                        await self._running.lull()
                with trio.fail_after(plan.snapshot.session.swap_deadline_s):
                    fresh = await self._running.dial(plan)
                self._drop()
                self.pending = fresh
            except ProviderError as error:
                self._discouraged(plan, reason, error)
            except trio.TooSlowError:
                self._discouraged(plan, reason, SessionLost(LATE))
        self._dialling = None

    def _offer(self, pending: Slot, due: Renewal) -> None:
        self.offered = Swap(pending, due.reason, due.by)
        self._inbox.post(self.offered)

    def _hurry(self, offered: Swap, due: Renewal | None) -> None:
        """A limit may have come nearer since it was offered."""
        if due is not None and due.by < offered.by:
            self.offered = evolve(offered, by=due.by)
            self._inbox.post(self.offered)

    def _put_away(self, slot: Slot) -> None:
        """One that is not wanted makes room at once; one that died is no reason to dial without end."""
        reason = self.offered.reason if self.offered else None
        if trio.current_time() - slot.wearing.since > self._backoff.ceiling_s:
            self._backoff.reset()  # it has lived: some providers end a session that hears nothing for half a minute
        self._drop()
        if slot.lost is not None:
            self._discouraged(slot.plan, reason, slot.lost)

    def _drop(self) -> None:
        if self.pending is not None:
            self.pending.scope.cancel()
        self.pending = self.offered = None

    def _encouraged(self) -> None:
        self._retry_at = -inf
        self._backoff.reset()
        self.look()

    def _discouraged(self, plan: Plan, reason: Reason | None, error: ProviderError) -> None:
        """A wish is given up; a renewal is tried again, for its reason stays."""
        if self._wish is not None and self._wish.plan.same(plan):
            self._wish = self._wish.earlier
        self._retry_at = trio.current_time() + self._backoff.next_s(error.retry_after_s)
        self._running.refused(plan, reason, error)
        self.look()


def _fresh_until(slot: Slot) -> float:
    return fresh_until(slot.wearing.since, slot.wearing.ends_at)
