"""What waits for the one task that takes it: a line that can be looked through while it waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from neko.sockets.quick import Shown
from neko.sockets.socket import nobody_takes

T = TypeVar("T")


class Waiting(Generic[T]):
    """A memory channel cannot join what waits, take something back, or let news overtake sound; this can.

    Everything but `change` is sync: what is decided about what waits has no checkpoint in it.
    """

    def __init__(self) -> None:
        self.items: deque[T] = deque()
        self._waiters = Shown[T]()

    def put(self, item: T) -> None:
        """Behind what waits, or at once into the hands of whoever waits for it."""
        if self.items or not self._waiters.show(item):
            self.items.append(item)
            self._waiters.wake()

    def show(self) -> None:
        """The only one that waits, to whoever waits for it; it is gone when that takes it."""
        if self._waiters.show(self.items[0]):
            self.items.popleft()
        else:
            self._waiters.wake()

    def pop(self) -> T:
        """The oldest; there must be one."""
        item = self.items.popleft()
        self.wake()
        return item

    def wake(self) -> None:
        """Has everybody who waits look again."""
        self._waiters.wake()

    async def change(self, taken: Callable[[T], bool] = nobody_takes) -> None:
        """Until something comes, goes, or is over.

        Meanwhile `taken` is asked whether it takes what comes, by whoever puts it in; one task at a time has such a
        wish. Raises what that raises.
        """
        await self._waiters.wait(taken)
