"""A lock and the two ends of a channel that give way to other tasks only when there is something to wait for.

Without a wait they are checkpoints for cancellation only, or none: whoever uses them in a loop must come to another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import trio

from neko.sockets.socket import nobody_takes

T = TypeVar("T")


class QuickLock:
    """First come, first served. For `async with` alone, where `trio.StrictFIFOLock` would stand."""

    def __init__(self) -> None:
        self._held = False
        self._waiting = trio.lowlevel.ParkingLot()

    async def __aenter__(self) -> None:
        if self._held:
            await self._waiting.park()
        self._held = True

    async def __aexit__(self, *_: object) -> None:
        if self._waiting:
            self._waiting.unpark()  # it is never free in between, so that nobody overtakes
        else:
            self._held = False


class QuickReceiver(Generic[T]):
    """Of `trio.MemoryReceiveChannel` what trio-websocket uses, for one task; what waits in it is its own."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[T] = deque()
        self._ended = self._closed = False
        self._taken: Callable[[T], bool] = nobody_takes
        self._waiting = trio.lowlevel.ParkingLot()

    async def receive(self, taken: Callable[[T], bool] = nobody_takes) -> T:
        """The next one. What comes while this waits is shown to `taken` first, by the sender."""
        if self._items and not self._closed:
            await trio.lowlevel.checkpoint_if_cancelled()
        while self._closed or not self._items:
            if self._closed:
                raise trio.ClosedResourceError
            if self._ended:
                raise trio.EndOfChannel
            self._taken = taken
            await self._waiting.park()
        if len(self._items) == self._size:
            self._waiting.unpark_all()
        return self._items.popleft()

    async def take(self, item: T) -> None:
        """Waits while it is full."""
        while len(self._items) >= self._size and not self._closed and not self._ended:
            await self._waiting.park()
        if self._ended:
            raise trio.ClosedResourceError
        if self._closed:
            raise trio.BrokenResourceError
        # Who is cancelled does not wait any more: what was shown to `taken` and left is received.
        waits = self._waiting and not self._items
        if not waits or not self._taken(item):
            self._items.append(item)
            self._waiting.unpark_all()

    def end(self) -> None:
        """Nothing more comes."""
        self._ended = True
        self._waiting.unpark_all()

    async def aclose(self) -> None:
        self._closed = True
        self._items.clear()
        self._waiting.unpark_all()
        await trio.lowlevel.checkpoint()


class QuickSender(Generic[T]):
    """Of `trio.MemorySendChannel` what trio-websocket uses."""

    def __init__(self, receiver: QuickReceiver[T]) -> None:
        self._receiver = receiver
        self.send = receiver.take

    async def aclose(self) -> None:
        self._receiver.end()
        await trio.lowlevel.checkpoint()

    async def __aenter__(self) -> QuickSender[T]:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._receiver.end()
