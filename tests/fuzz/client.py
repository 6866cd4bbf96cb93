"""A client in memory that may stop reading for a while, as over a slow line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio
import trio.testing
from attrs import define, field
from trio_websocket import wrap_client_stream, wrap_server_stream

from neko.nurseries.connection import serve_connection
from neko.nurseries.manager import LLMSessionManager
from neko.protocol.client import AudioFraming
from neko.protocol.codec import MAX_FRAME
from neko.sockets import TrioSocket
from neko.testing.person import Person


@define(eq=False)
class Line:
    """What is sent to the client waits while it does not read."""

    _reads: trio.Event = field(factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        self.read_on()

    def stall(self) -> None:
        if self._reads.is_set():
            self._reads = trio.Event()

    def read_on(self) -> None:
        self._reads.set()

    async def free(self) -> None:
        await self._reads.wait()


@asynccontextmanager
async def open_person(manager: LLMSessionManager, line: Line) -> AsyncIterator[Person]:
    """A connected client; vanishes when the context is left."""
    client_end, server_end = trio.testing.memory_stream_pair()
    sender: Any = server_end.send_stream
    pass_on, close = sender.send_all_hook, sender.close_hook

    async def when_read() -> None:
        await line.free()
        await pass_on()

    def close_whatever_waits() -> None:
        with suppress(trio.BrokenResourceError):
            close()

    sender.send_all_hook, sender.close_hook = when_read, close_whatever_waits
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_serve, server_end, manager)
        websocket = await wrap_client_stream(nursery, client_end, "neko", "/ws")  # type: ignore[arg-type]
        person = Person(websocket, client_end)
        nursery.start_soon(person.read)
        yield person
        await trio.aclose_forcefully(client_end)


async def _serve(stream: Any, manager: LLMSessionManager) -> None:
    async with trio.open_nursery() as nursery:
        request = await wrap_server_stream(nursery, stream, max_message_size=MAX_FRAME)
        websocket = await request.accept()
        await serve_connection(TrioSocket(websocket), manager, AudioFraming.BASE64)
        with trio.move_on_after(1):
            await websocket.aclose()
        nursery.cancel_scope.cancel()
