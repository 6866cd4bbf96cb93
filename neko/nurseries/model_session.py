"""One model session runs: connected, listened to, watched, and closed."""

from __future__ import annotations

from contextlib import suppress

import trio

from neko.nurseries.plan import Plan
from neko.nurseries.ports import Connect
from neko.nurseries.slot import Listener, Slot
from neko.realtime.errors import ProviderError


async def run_model_session(
    connect: Connect, plan: Plan, listener: Listener, *, task_status: trio.TaskStatus[Slot]
) -> None:
    """Runs one model session: started when it is connected, over when it is lost or its scope is cancelled.

    Raises:
        ProviderError: it did not come up; later errors go to the slot's listener.
    """
    over = trio.Event()
    try:
        with trio.CancelScope() as scope:
            async with connect(plan.snapshot, plan.mode, plan.lines) as session:
                slot = Slot(session, plan, scope, listener, over)
                try:
                    task_status.started(slot)
                    await _listen(slot)
                finally:
                    # Before the goodbye to a provider that may not answer it.
                    slot.listener.on_over(slot)
    finally:
        over.set()


async def _listen(slot: Slot) -> None:
    async with trio.open_nursery() as nursery:
        if slot.session.facts.watched:
            nursery.start_soon(_watch, slot)
        try:
            await slot.listen()
        except ProviderError as error:
            slot.lost = error
            slot.listener.on_lost(slot, error)
        nursery.cancel_scope.cancel()


async def _watch(slot: Slot) -> None:
    with suppress(ProviderError):  # whoever receives learns the same
        await slot.watch()
