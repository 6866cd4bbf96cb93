"""What waits for the one task that takes it: a line that can be looked through while it waits."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Waiting(Generic[T]):
    """A memory channel cannot join what waits, take something back, or let news overtake sound; this can.

    Everything but `taken` and `room` is sync: what is decided about what waits has no checkpoint in it.
    """

    def __init__(self) -> None:
        self.items: deque[T] = deque()
        self._waiters = trio.lowlevel.ParkingLot()

    def put(self, item: T) -> None:
        self.items.append(item)
        self.wake()

    def pop(self) -> T:
        """The oldest; there must be one."""
        item = self.items.popleft()
        self.wake()
        return item

    def wake(self) -> None:
        """Has everybody who waits look again."""
        if self._waiters:
            self._waiters.unpark_all()

    async def change(self) -> None:
        """Until something comes, goes, or is over."""
        await self._waiters.park()
