"""Waiting until a record says what one waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable


class Bell:
    """Whoever changes the record rings; whoever waits looks again."""

    def __init__(self) -> None:
        self._change = trio.Event()

    def ring(self) -> None:
        self._change.set()
        self._change = trio.Event()

    async def until(self, true: Callable[[], bool]) -> None:
        """Returns as soon as `true()` holds, which is asked now and after every ring."""
        while not true():
            await self._change.wait()
        await trio.lowlevel.checkpoint()
