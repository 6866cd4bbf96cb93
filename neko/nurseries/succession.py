"""Who comes after a model session: what background preparation and the conduct ask of the session around them."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import trio
from attrs import define, field

from neko.config.snapshot import Snapshot
from neko.conversation.renewal import Reason
from neko.nurseries.conduct import Conduct
from neko.nurseries.lull import Lull
from neko.nurseries.models import Models
from neko.nurseries.news import News
from neko.nurseries.outbox import Outbox
from neko.nurseries.plan import Plan
from neko.nurseries.reports import Reports
from neko.nurseries.slot import Slot
from neko.nurseries.vacancy import Vacancy, standing_in
from neko.protocol.errors import StatusCode
from neko.protocol.server import ServerMessage, SessionFailed, SessionSwapped, Status
from neko.realtime.errors import ProviderError
from neko.telemetry import get_logger
from neko.telemetry.metrics import SwapMetrics

log = get_logger("succession")


@define(eq=False)
class Succession:
    """Of one session. `conduct` is there as soon as anybody asks."""

    _models: Models
    _outbox: Outbox
    _news: News
    _swaps: SwapMetrics
    _reports: Reports
    _newest_of: Callable[[Plan], Plan]  # as the configuration wants it now
    _scope: trio.CancelScope  # of the session; it has a deadline while nobody is there
    _answer: Callable[[], ServerMessage]  # for a client that asked for another mode
    _starts: Lull
    _vacancy: Vacancy
    touched_at: float  # when something was said last
    conduct: Conduct = field(init=False)
    _told_of: Snapshot | None = field(default=None, init=False)  # that it does not come up; once is enough

    @property
    def slot(self) -> Slot:
        return self.conduct.current

    @property
    def quiet_since(self) -> float | None:
        return self.touched_at if self.conduct.at_turn() else None

    @property
    def untold(self) -> bool:
        news = self._news.wait_for(self.slot) or self.conduct.has_late
        return news and not self.slot.session.facts.takes_text

    @property
    def attended(self) -> bool:
        return self._scope.deadline == inf

    def newest(self) -> Plan:
        wanted = self._newest_of(self.slot.plan)
        if not self.slot.plan.stands_in or self._vacancy.wants(wanted) or self._vacancy.found:
            return wanted
        return wanted.stand_in() or wanted

    async def lull(self) -> None:
        await self._starts.wait()

    async def dial(self, plan: Plan) -> Slot:
        return await self._models.dial(plan, but=self.slot.unanswered)

    def refused(self, plan: Plan, reason: Reason | None, error: ProviderError) -> None:
        self._swaps.failed()
        details = error.details
        log.warning("session.not_prepared", reason=reason, details=details)
        if self._vacancy.plan is not None and plan.same(self._vacancy.plan):
            self._vacancy.begins(plan, error)  # it was found, and lost again: the client knows
            return
        if reason is Reason.REQUESTED or (reason is Reason.CONFIG and plan.snapshot != self._told_of):
            self._told_of = plan.snapshot
            self._outbox.post(Status(StatusCode.SWAP_FAILED, f"{details}; the old session goes on"))
            if plan.mode is not self.slot.plan.mode:
                self._outbox.post(SessionFailed(plan.mode))

    async def successor(self, lost: Slot) -> Slot:
        prepared = self.conduct.renewing.take()
        return prepared or await self._models.resume(lost) or await self._models.dial(lost.plan, but=lost.unanswered)

    def has_stand_in(self, lost: Slot) -> bool:
        return not lost.plan.stands_in and self._newest_of(lost.plan).stand_in() is not None

    async def stand_in(self, lost: Slot, why: ProviderError) -> Slot:
        wanted = self._newest_of(lost.plan)
        plan = wanted.stand_in() or wanted
        slot = await self._models.dial(plan, but=lost.unanswered)
        self._outbox.post(standing_in(wanted, plan, why))
        self._vacancy.begins(wanted, why)
        return slot

    def moved(self, old: Slot, new: Slot, swapped: SessionSwapped) -> None:
        self._swaps.swapped(swapped.reason, swapped.gap_ms, swapped.lost_ms)
        self._reports.swapped(swapped)
        log.info("session.swapped", old=old.session.id, new=new.session.id, reason=swapped.reason)
        if new.plan.mode is not old.plan.mode:
            self._outbox.post(self._answer())
        if not new.plan.stands_in:
            self._vacancy.ends()
        self.conduct.renewing.look()
