"""A vendor's WebSocket server on 127.0.0.1: each connection is answered by the next script, message by message."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import orjson
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, wrap_server_stream

from neko.testing.voices.play import said
from neko.testing.voices.record import VoiceServer
from neko.testing.voices.script import Script, VoiceRequest
from neko.testing.wire import Wire

HOST = "127.0.0.1"


@asynccontextmanager
async def open_websocket_voice(*scripts: Script) -> AsyncIterator[VoiceServer]:
    """A server on a free port, `VoiceServer.url` is ws://…; leaving closes every connection."""
    listeners = await trio.open_tcp_listeners(0, host=HOST)
    server = VoiceServer(f"ws://{HOST}:{listeners[0].socket.getsockname()[1]}", scripts)

    async def serve(stream: trio.SocketStream) -> None:
        connection = trio.CancelScope()
        try:
            with connection:
                async with Wire(stream, on_end=connection.cancel) as wire, trio.open_nursery() as nursery:
                    await _serve(server, await wrap_server_stream(nursery, wire), wire)
                    nursery.cancel_scope.cancel()
        except* (ConnectionClosed, trio.BrokenResourceError):
            pass  # a client may vanish; that ends its connection and nothing else

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield server
        nursery.cancel_scope.cancel()


async def _serve(server: VoiceServer, handshake: WebSocketRequest, wire: Wire) -> None:
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in handshake.headers}
    request = VoiceRequest("GET", handshake.path, headers)
    with server.answering(request) as (number, script):
        if script.refuse_status is not None:
            await handshake.reject(script.refuse_status, body=script.refusal.encode())
            return
        connection = await handshake.accept()

        async def hear() -> None:
            request.messages.append(orjson.loads(await connection.get_message()))
            server.bell.ring()

        async with aclosing(said(script, hear, wire)) as messages:  # type: ignore[type-var]
            async for message in messages:
                await connection.send_message(message)
                server.count(number)
        await _until_left(connection, request)


async def _until_left(connection: WebSocketConnection, request: VoiceRequest) -> None:
    while True:
        request.messages.append(orjson.loads(await connection.get_message()))
