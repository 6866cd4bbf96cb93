"""A session in the place of one that is lost: of the same provider, or of the one that stands in for it."""

from __future__ import annotations

from collections import deque
from typing import Protocol

import trio
from attrs import define, field

from neko.conversation.backoff import Backoff
from neko.nurseries.slot import Slot
from neko.realtime.errors import ProviderError, SessionLost, Unreachable

REDIAL_S, REDIAL_MOST_S = 0.25, 1.0  # of the back-off: one that restarts refuses connections for a second or two
LOSSES, LOSSES_WITHIN_S = 3, 60.0  # a provider that ends each session at once is not dialled for ever
PATIENCE = 0.5  # of the time that there is, for the provider itself where somebody can stand in for it


class Successors(Protocol):
    """Who comes after a model session."""

    async def successor(self, lost: Slot) -> Slot:
        """A session in the place of one that is gone, told what was said until now. Raises `ProviderError`."""
        ...

    def has_stand_in(self, lost: Slot) -> bool:
        """Another provider stands in for the lost session's."""
        ...

    async def stand_in(self, lost: Slot, why: ProviderError) -> Slot:
        """As `successor`, of the provider that stands in; the client is told why."""
        ...


@define(eq=False)
class Redialling:
    """Of one session; it remembers how often a model session was lost."""

    _successors: Successors
    _losses: deque[float] = field(factory=lambda: deque(maxlen=LOSSES), init=False)

    async def another(self, old: Slot, why: ProviderError) -> Slot:
        """Within the old one's `swap_deadline_s`.

        Raises:
            ProviderError, trio.TooSlowError: there is none.
        """
        within_s = old.plan.snapshot.session.swap_deadline_s
        with trio.fail_after(within_s):
            if not self._successors.has_stand_in(old):
                return await self._same(old, why)
            try:
                with trio.fail_after(PATIENCE * within_s):
                    return await self._same(old, why)
            except ProviderError as error:
                why = error
            except trio.TooSlowError:
                why = Unreachable(f"no other session came up within {PATIENCE * within_s:g} s")
            self._losses.clear()
            return await self._successors.stand_in(old, why)

    async def _same(self, old: Slot, why: ProviderError) -> Slot:
        """Of the same provider, as often as it takes."""
        self._give_up_if_hopeless(why)
        if why.lasting and self._successors.has_stand_in(old):
            raise why
        backoff = Backoff(REDIAL_S, REDIAL_MOST_S)
        while True:
            try:
                return await self._successors.successor(old)
            except ProviderError as error:
                if isinstance(error, SessionLost):
                    self._give_up_if_hopeless(error)
                elif not error.passing:
                    raise
                wait_s = backoff.next_s(error.retry_after_s)
            await trio.sleep(wait_s)

    def _give_up_if_hopeless(self, error: ProviderError) -> None:
        now = trio.current_time()
        if len(self._losses) == LOSSES and now - self._losses[0] < LOSSES_WITHIN_S:
            raise error
        self._losses.append(now)
