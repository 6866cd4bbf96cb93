"""What happens in a session by the clock alone: its heartbeat, the warning of its end, and the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from neko.testing.exchange import Alive, Expired, Fact, GoingAway

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from neko.testing.behaviour import Behaviour


async def live(behaviour: Behaviour, heartbeat_s: float | None, tell: Callable[[Fact], Awaitable[None]]) -> None:
    """Tells each fact in its time; ends with the session's life, or when there is nothing to tell."""
    async with trio.open_nursery() as nursery:
        if heartbeat_s is not None:
            nursery.start_soon(_beat, heartbeat_s, tell)
        if behaviour.expires_after_s is not None:
            await _expire(behaviour.expires_after_s, behaviour.go_away_s, tell)
            nursery.cancel_scope.cancel()


async def _beat(every_s: float, tell: Callable[[Fact], Awaitable[None]]) -> None:
    while True:
        await trio.sleep(every_s)
        await tell(Alive())


async def _expire(after_s: float, warns_s: float | None, tell: Callable[[Fact], Awaitable[None]]) -> None:
    end = trio.current_time() + after_s
    if warns_s is not None:
        await trio.sleep_until(end - warns_s)
        await tell(GoingAway(end - trio.current_time()))
    await trio.sleep_until(end)
    await tell(Expired())
