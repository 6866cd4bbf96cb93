"""A provider that cannot be had: another one stands in for it, until it is found again."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import trio
from attrs import define, field, frozen

from neko.conversation.backoff import Backoff
from neko.nurseries.plan import Plan
from neko.nurseries.ports import Back
from neko.protocol.server import Status
from neko.realtime.errors import ProviderError
from neko.telemetry import get_logger

log = get_logger("vacancy")

AGAIN_S, AGAIN_MOST_S = 10.0, 600.0  # of the back-off before one that was found, and was lost again, is asked once more
STEADY_S = 600.0  # who was there for so long is not held to have been lost again


def standing_in(wanted: Plan, plan: Plan, why: ProviderError) -> Status:
    """What the client is told, once."""
    until, who = f"ntil {wanted.provider_name} is back", f"{plan.provider_name} stands in"
    ended = why.details.endswith(".")
    return Status(why.code, f"{why.details} U{until}, {who}." if ended else f"{why.details}; u{until}, {who}")


@frozen
class Missing:
    """The session that is wanted, and why there is none."""

    plan: Plan
    why: ProviderError


@define(eq=False)
class Vacancy:
    """Of one session's provider. `found`: it answers again, and no session of it has been tried since."""

    _back: Back
    found: bool = field(default=False, init=False)
    _missing: Missing | None = field(default=None, init=False)
    _handed_back_at: float = field(default=-inf, init=False)
    _again: Backoff = field(factory=lambda: Backoff(AGAIN_S, AGAIN_MOST_S), init=False)
    _looking: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    _changed: trio.Event = field(factory=trio.Event, init=False)

    @property
    def plan(self) -> Plan | None:
        """What is wanted and cannot be had; None when nothing is missing."""
        return self._missing.plan if self._missing else None

    def begins(self, plan: Plan, why: ProviderError) -> None:
        """There is no session of this plan."""
        log.warning("provider.missing", provider=plan.provider_name, code=why.code, details=why.details)
        self.found, self._missing = False, Missing(plan, why)
        self._look()

    def ends(self) -> None:
        """There is one again, or it is not wanted any more."""
        if self._missing is not None:
            log.info("provider.back", provider=self._missing.plan.provider_name)
            self._handed_back_at = trio.current_time()
        self.found, self._missing = False, None
        self._look()

    def wants(self, plan: Plan) -> bool:
        """The configuration wants this one now; True when that is another one, which is worth a try at once."""
        if self._missing is None or plan.same(self._missing.plan):
            return False
        self.found, self._missing = True, Missing(plan, self._missing.why)
        self._look()
        return True

    async def run(self, on_found: Callable[[], None]) -> None:
        """Looks for what is missing, until cancelled."""
        while True:
            if self._missing is None or self.found:
                await self._changed.wait()
            else:
                if await self._look_for(self._missing):
                    on_found()

    async def _look_for(self, missing: Missing) -> bool:
        """True when it is found; False: something else is to be looked for, or nothing."""
        with trio.CancelScope() as self._looking:
            if trio.current_time() - self._handed_back_at > STEADY_S:
                self._again.reset()
            else:
                await trio.sleep(self._again.next_s())
            await self._back(missing.plan.snapshot, missing.plan.mode, missing.why)
            # A cancel that came with the answer has found nobody waiting: something else is missing by now.
            self.found = self._missing is missing
            return self.found
        return False

    def _look(self) -> None:
        self._looking.cancel()
        self._changed.set()
        self._changed = trio.Event()
