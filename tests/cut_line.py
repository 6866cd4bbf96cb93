"""Connections in memory that break in the middle of a frame, and the world that a client talks to over them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import trio
from attrs import define, field
from trio_websocket import WebSocketConnection, wrap_client_stream

from neko.client.connection import _plain_errors
from neko.client.errors import Unreachable
from neko.client.line import OneLine
from neko.nurseries.connection import serve_connection
from neko.nurseries.manager import LLMSessionManager
from neko.protocol.client import AudioFraming
from neko.protocol.codec import MAX_FRAME
from neko.protocol.server import ServerMessage
from neko.sockets import TrioSocket
from neko.sockets.lean_connection import lean_request
from neko.testing.streams import stream_pair


@define(eq=False)
class Cut(trio.abc.Stream):
    """Passes everything on until it is to break; then half of what goes by next, either way, and nothing more."""

    _stream: Any
    _random: Random
    _breaks: bool = False

    def break_soon(self) -> None:
        self._breaks = True

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._breaks:
            await self._stream.send_all(data[: self._random.randrange(len(data))])
            await trio.aclose_forcefully(self._stream)
            raise trio.BrokenResourceError
        try:
            await self._stream.send_all(data)
        except trio.ClosedResourceError:
            raise trio.BrokenResourceError from None

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        try:
            data: bytes = await self._stream.receive_some(max_bytes)
        except trio.ClosedResourceError:
            raise trio.BrokenResourceError from None
        if self._breaks and data:
            await trio.aclose_forcefully(self._stream)
            return data[: self._random.randrange(1, len(data) + 1)]
        return data

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


class Counted(OneLine):
    def __init__(self, websocket: WebSocketConnection, numbers: list[int]) -> None:
        super().__init__(websocket)
        self._numbers = numbers

    async def receive(self) -> ServerMessage:
        before = self.seq
        message = await super().receive()
        if self.seq is not None and self.seq != before:
            self._numbers.append(self.seq)
        return message


@define(eq=False)
class CutLines:
    """A `Dial`: each connection to the character breaks when it is `every_s` old, unless that is None."""

    manager: LLMSessionManager
    framing: AudioFraming  # of the server, for clients that do not ask
    every_s: float | None
    random: Random = field(factory=lambda: Random(1))
    dialled: int = 0
    numbers: list[int] = field(factory=list)  # of the messages that came whole, over all connections

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[OneLine]:
        self.dialled += 1
        client_end, server_end = stream_pair()
        cut = Cut(client_end, self.random)
        with _plain_errors():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._serve, server_end)
                if self.every_s is not None:
                    nursery.start_soon(_break_after, cut, self.every_s)
                try:
                    websocket = await wrap_client_stream(nursery, cut, "neko", "/ws")  # type: ignore[arg-type]
                except trio.BrokenResourceError:
                    raise Unreachable("it broke during the handshake") from None
                try:
                    yield Counted(websocket, self.numbers)
                finally:
                    with trio.move_on_after(1, shield=True):
                        await websocket.aclose()
                nursery.cancel_scope.cancel()

    async def _serve(self, stream: Any) -> None:
        async with trio.open_nursery() as nursery:
            request = await lean_request(nursery, stream, message_queue_size=1, max_message_size=MAX_FRAME)
            websocket = await request.accept()
            await serve_connection(TrioSocket(websocket, stream), self.manager, self.framing)
            with trio.move_on_after(1):
                await websocket.aclose()
            nursery.cancel_scope.cancel()


async def _break_after(cut: Cut, seconds: float) -> None:
    await trio.sleep(seconds)
    cut.break_soon()
