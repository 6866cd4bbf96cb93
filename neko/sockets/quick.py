"""A lock and the two ends of a channel that give way to other tasks only when there is something to wait for.

Without a wait they are checkpoints for cancellation only, or none: whoever uses them in a loop must come to another.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import trio

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


class QuickSender(Generic[T]):
    """Of `trio.MemorySendChannel` what trio-websocket uses."""

    def __init__(self, channel: trio.MemorySendChannel[T]) -> None:
        self._channel = channel

    async def send(self, message: T) -> None:
        try:
            self._channel.send_nowait(message)
        except trio.WouldBlock:
            await self._channel.send(message)

    async def aclose(self) -> None:
        await self._channel.aclose()

    async def __aenter__(self) -> QuickSender[T]:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._channel.close()


class QuickReceiver(Generic[T]):
    """Of `trio.MemoryReceiveChannel` what trio-websocket uses."""

    def __init__(self, channel: trio.MemoryReceiveChannel[T]) -> None:
        self._channel = channel

    async def receive(self) -> T:
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            return self._channel.receive_nowait()
        except trio.WouldBlock:
            return await self._channel.receive()

    async def aclose(self) -> None:
        await self._channel.aclose()
