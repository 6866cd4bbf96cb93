"""A lock, the two ends of a channel and what they stand on: a task gives way to others only when it has to wait.

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
    """First come, first served; where `trio.StrictFIFOLock` would stand, for `async with`."""

    def __init__(self) -> None:
        self.held = False
        self._waiting = trio.lowlevel.ParkingLot()

    async def __aenter__(self) -> None:
        if self.held:
            await self._waiting.park()
        self.held = True

    async def __aexit__(self, *_: object) -> None:
        self.release()

    def seize(self) -> None:
        """Only while it is not `held`."""
        self.held = True

    def release(self) -> None:
        if self._waiting:
            self._waiting.unpark()  # it is never free in between, so that nobody overtakes
        else:
            self.held = False


class Shown(Generic[T]):
    """Whoever waits for the next of something, and may take it on the spot from whoever brings it."""

    def __init__(self) -> None:
        self._taken: Callable[[T], bool] = nobody_takes
        self._raised: tuple[Callable[[T], bool], Exception] | None = None  # whose, and what
        self._waiting = trio.lowlevel.ParkingLot()

    async def wait(self, taken: Callable[[T], bool] = nobody_takes) -> None:
        """Until it is woken. Raises what `taken` raises, be it cancelled meanwhile.

        Others may wait here as well, who take nothing.
        """
        if taken is not nobody_takes:
            self._taken = taken
        try:
            await self._waiting.park()
        finally:
            if self._taken is taken:
                self._taken = nobody_takes
            if self._raised is not None and self._raised[0] is taken:
                bug, self._raised = self._raised[1], None
                raise bug

    def show(self, item: T) -> bool:
        """Whether it is taken. A bug of whoever takes it is theirs: they have it, and learn of it where they wait."""
        # Who is cancelled does not wait any more, unless others do, who take nothing: then it may still be taken by the
        # one who has left, and what that does must be right for it too.
        if not self._waiting:
            return False
        try:
            return self._taken(item)
        except Exception as bug:
            self._raised = self._taken, bug
            self.wake()
            return True

    def wake(self) -> None:
        """Has everybody who waits look again."""
        if self._waiting:
            self._waiting.unpark_all()


class QuickReceiver(Generic[T]):
    """Of `trio.MemoryReceiveChannel` what trio-websocket uses, for one task; what waits in it is its own."""

    def __init__(self, size: float) -> None:
        self._size = size
        self._items: deque[T] = deque()
        self._ended = self._closed = False
        self._receiver = Shown[T]()
        self._room = trio.lowlevel.ParkingLot()

    async def receive(self, taken: Callable[[T], bool] = nobody_takes) -> T:
        """The next one. What is handed in while this waits is shown to `taken` first, once."""
        if self._items and not self._closed:
            await trio.lowlevel.checkpoint_if_cancelled()
        while self._closed or not self._items:
            if self._closed:
                raise trio.ClosedResourceError
            if self._ended:
                raise trio.EndOfChannel
            await self._receiver.wait(taken)
        if len(self._items) == self._size:
            self._room.unpark_all()
        return self._items.popleft()

    async def take(self, item: T) -> None:
        """Waits while it is full. Nobody is asked: who would take it has been, by `hand`."""
        while len(self._items) >= self._size and not self._closed and not self._ended:
            await self._room.park()
        if self._ended:
            raise trio.ClosedResourceError
        if self._closed:
            raise trio.BrokenResourceError
        self.put(item)

    def put(self, item: T) -> None:
        """Behind what waits, be it full or over."""
        self._items.append(item)
        self._receiver.wake()

    def hand(self, item: T) -> bool:
        """To whoever waits for nothing else; False when nobody does, or does not take it: then it is to be put."""
        return not self._items and self._receiver.show(item)

    def end(self) -> None:
        """Nothing more comes."""
        self._ended = True
        self._receiver.wake()
        self._room.unpark_all()

    async def aclose(self) -> None:
        self._closed = True
        self._items.clear()
        self._receiver.wake()
        self._room.unpark_all()
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
