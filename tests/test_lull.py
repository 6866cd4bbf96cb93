"""Who is not in a hurry waits until nobody is, however closely one hurry follows the other."""

from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.nurseries.lull import Lull


async def test_a_hurry_that_follows_at_once_is_waited_for_as_well(autojump_clock: MockClock) -> None:
    lull, returned = Lull(), list[float]()

    async def wait() -> None:
        await lull.wait()
        returned.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        with lull.hurry():
            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
        with lull.hurry():  # before whoever waits has run
            await trio.sleep(1)
    assert returned == [1]
