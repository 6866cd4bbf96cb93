"""A client in memory, over the real WebSocket protocol: what it got, in order; made for virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import trio
from attrs import define, field
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from neko.nurseries.connection import serve_connection
from neko.nurseries.manager import LLMSessionManager
from neko.protocol.client import AudioFraming
from neko.protocol.codec import MAX_FRAME
from neko.sockets import TrioSocket
from neko.sockets.lean_connection import lean_request
from neko.testing.streams import stream_pair


@define(eq=False)
class Person:
    """`got` are the frames as decoded JSON; the PCM of a binary frame is added to its header as `pcm`."""

    websocket: WebSocketConnection
    stream: trio.abc.Stream
    got: list[dict[str, Any]] = field(factory=list)
    closed: int | None = None
    _arrived: trio.Event = field(factory=trio.Event, init=False)

    async def send(self, action: str, **fields: Any) -> None:
        await self.websocket.send_message(orjson.dumps({"action": action, **fields}).decode())

    async def send_raw(self, frame: str | bytes) -> None:
        await self.websocket.send_message(frame)

    def types(self) -> list[str]:
        return [frame["type"] for frame in self.got]

    def of(self, *types: str) -> list[dict[str, Any]]:
        return [frame for frame in self.got if frame["type"] in types]

    def codes(self) -> list[str]:
        return [frame["code"] for frame in self.of("status")]

    async def arrival(self) -> None:
        """Waits for the next frame."""
        await self._arrived.wait()

    async def leave(self) -> None:
        """Closes cleanly."""
        await self.websocket.aclose()

    async def vanish(self) -> None:
        """Is gone without a word."""
        await trio.aclose_forcefully(self.stream)

    async def read(self) -> None:
        """Collects frames until the socket closes."""
        try:
            while True:
                frame = await self.websocket.get_message()
                if isinstance(frame, bytes):
                    self.got[-1]["pcm"] = frame
                else:
                    self.got.append(orjson.loads(frame))
                self._arrived.set()
                self._arrived = trio.Event()
        except ConnectionClosed as closed:
            self.closed = closed.reason.code if closed.reason else None


@asynccontextmanager
async def open_person(manager: LLMSessionManager, framing: AudioFraming = AudioFraming.BASE64) -> AsyncIterator[Person]:
    """A connected client; vanishes when the context is left, unless it left before."""
    client_end, server_end = stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_serve, server_end, manager, framing)
        websocket = await wrap_client_stream(nursery, client_end, "neko", "/ws")  # type: ignore[arg-type]
        person = Person(websocket, client_end)
        nursery.start_soon(person.read)
        yield person
        await trio.aclose_forcefully(client_end)


async def _serve(stream: Any, manager: LLMSessionManager, framing: AudioFraming) -> None:
    async with trio.open_nursery() as nursery:
        request = await lean_request(nursery, stream, message_queue_size=1, max_message_size=MAX_FRAME)
        websocket = await request.accept()
        await serve_connection(TrioSocket(websocket, stream), manager, framing)
        with trio.move_on_after(1):
            await websocket.aclose()
        nursery.cancel_scope.cancel()
