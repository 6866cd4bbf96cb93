"""A TCP proxy on loopback that does to a connection what networks do."""

from __future__ import annotations

from contextlib import asynccontextmanager
from math import inf
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trio
from attrs import define, field

from neko.testing.bell import Bell
from neko.testing.faults import Faults
from neko.testing.pipe import Pipe
from neko.testing.wire import reset_on_close

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HOST = "127.0.0.1"


NO_FAULTS = Faults()


@define(eq=False)
class _Line:
    """One connection that is being passed on, and when it began."""

    born: float = field(factory=trio.current_time)
    scope: trio.CancelScope = field(factory=trio.CancelScope)

    def cut_after(self, seconds: float | None) -> None:
        self.scope.deadline = inf if seconds is None else self.born + seconds


class FaultProxy:
    """What a test sees of the proxy: its port, its counters, and the faults, which may be replaced at any time.

    `connections` have come in all, `open` are there now; `up` and `down` count the bytes that were passed on.
    """

    def __init__(self, port: int, target_host: str, target_port: int, faults: Faults) -> None:
        self.port = port
        self.connections = 0
        self.up = 0
        self.down = 0
        self._target = (target_host, target_port)
        self._faults = faults
        self._lines: list[_Line] = []
        self._bell = Bell()

    @property
    def open(self) -> int:
        return len(self._lines)

    @property
    def faults(self) -> Faults:
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        """Holds at once, for open connections too; what is on its way keeps the delay that it was read with."""
        self._faults = faults
        for line in self._lines:
            line.cut_after(faults.cut_every_s)
        self._bell.ring()

    def through(self, url: str) -> str:
        """The same URL, by way of the proxy."""
        return urlsplit(url)._replace(netloc=f"{HOST}:{self.port}").geturl()

    def reset(self) -> None:
        """Resets every open connection, on both sides."""
        for line in self._lines:
            line.scope.cancel()

    async def opened(self, count: int) -> None:
        """Waits until exactly so many connections are open."""
        await self._bell.until(lambda: self.open == count)

    async def serve(self, client: trio.SocketStream) -> None:
        """One connection to its end."""
        line = _Line()
        line.cut_after(self._faults.cut_every_s)
        self._lines.append(line)
        self.connections += 1
        self._bell.ring()
        try:
            async with client:
                await self._join(client, line)
        finally:
            self._lines.remove(line)
            self._bell.ring()

    async def _join(self, client: trio.SocketStream, line: _Line) -> None:
        try:
            target = await trio.open_tcp_stream(*self._target)
        except OSError:
            reset_on_close(client)
            return
        async with target:
            with line.scope:
                await self._pass_on(client, target)
            if line.scope.cancelled_caught:
                reset_on_close(client)
                reset_on_close(target)

    async def _pass_on(self, client: trio.SocketStream, target: trio.SocketStream) -> None:
        """Both ways, until both have ended; a reset from either side goes on to the other."""
        up = Pipe(lambda: self._faults.up, self._bell, self._count_up)
        down = Pipe(lambda: self._faults.down, self._bell, self._count_down)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(up.run, client, target)
                nursery.start_soon(down.run, target, client)
        except* trio.BrokenResourceError:
            reset_on_close(client)
            reset_on_close(target)

    def _count_up(self, size: int) -> None:
        self.up += size

    def _count_down(self, size: int) -> None:
        self.down += size


@asynccontextmanager
async def open_proxy(target_host: str, target_port: int, faults: Faults = NO_FAULTS) -> AsyncIterator[FaultProxy]:
    """A proxy on a free port of 127.0.0.1 in front of any TCP address; leaving closes every connection."""
    listeners = await trio.open_tcp_listeners(0, host=HOST)
    proxy = FaultProxy(listeners[0].socket.getsockname()[1], target_host, target_port, faults)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, proxy.serve, listeners)
        yield proxy
        nursery.cancel_scope.cancel()
