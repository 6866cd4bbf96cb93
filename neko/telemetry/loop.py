"""How late the event loop is: what every sound on it has to wait for."""

from __future__ import annotations

from typing import NoReturn

import trio


async def sample_loop_delay(every_s: float, *, into: list[float]) -> NoReturn:
    """Appends, each `every_s`, by how many seconds this task woke too late; runs until cancelled.

    The times to wake are absolute, so a stall of the loop shows in every sample that falls into it, not in one; all of
    them are taken when it is over, for a loop whose turns are longer than `every_s` would never catch up with them.
    The caller owns the list and its length: 10 ms make 6,000 samples in a minute.
    """
    due = trio.current_time()
    while True:
        await trio.sleep_until(due + every_s)
        woken = trio.current_time()
        while due + every_s <= woken:
            due += every_s
            into.append(woken - due)
