"""A client in memory that may stop reading for a while, as over a slow line."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from attrs import define, field
from trio_websocket import wrap_client_stream

from neko.nurseries.connection import serve_connection
from neko.nurseries.manager import LLMSessionManager
from neko.protocol.client import AudioFraming
from neko.protocol.codec import MAX_FRAME
from neko.sockets import TrioSocket
from neko.sockets.lean_connection import lean_request
from neko.testing.person import Person
from neko.testing.streams import stream_pair

BEGINNING = 7  # bytes of a message: all of its head and some of what it says


@define(eq=False)
class Line:
    """What is sent to the client waits while it does not read."""

    stalled_at: float = 0.0  # when it last stopped reading
    _reads: trio.Event = field(factory=trio.Event)
    _left: int = 0  # bytes that still fit

    def __attrs_post_init__(self) -> None:
        self.read_on()

    def stall(self) -> None:
        if self._reads.is_set():
            self._reads = trio.Event()
            self._left = BEGINNING
            self.stalled_at = trio.current_time()

    def read_on(self) -> None:
        self._reads.set()

    def room(self) -> int:
        """A line that has just stalled takes the beginning of a message; then it is full."""
        if self._reads.is_set():
            return sys.maxsize
        room, self._left = self._left, 0
        return room

    async def free(self) -> None:
        await self._reads.wait()


@asynccontextmanager
async def open_person(manager: LLMSessionManager, line: Line) -> AsyncIterator[Person]:
    """A connected client; vanishes when the context is left."""
    client_end, server_end = stream_pair()
    server_end.send_stream.free, server_end.send_stream.room = line.free, line.room
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_serve, server_end, manager)
        websocket = await wrap_client_stream(nursery, client_end, "neko", "/ws")  # type: ignore[arg-type]
        person = Person(websocket, client_end)
        nursery.start_soon(person.read)
        yield person
        await trio.aclose_forcefully(client_end)


async def _serve(stream: Any, manager: LLMSessionManager) -> None:
    async with trio.open_nursery() as nursery:
        request = await lean_request(nursery, stream, message_queue_size=1, max_message_size=MAX_FRAME)
        websocket = await request.accept()
        await serve_connection(TrioSocket(websocket, stream), manager, AudioFraming.BASE64)
        with trio.move_on_after(1):
            await websocket.aclose()
        nursery.cancel_scope.cancel()
