"""A vendor's HTTP server on 127.0.0.1: each POST is answered by the next script, piece by piece."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial

import h11
import orjson
import trio

from neko.testing.http_exchange import HttpExchange, serve_http
from neko.testing.voices.play import said
from neko.testing.voices.record import VoiceServer
from neko.testing.voices.script import Script, VoiceRequest
from neko.testing.wire import Wire

HOST = "127.0.0.1"


@asynccontextmanager
async def open_http_voice(*scripts: Script) -> AsyncIterator[VoiceServer]:
    """A server on a free port, `VoiceServer.url` is http://…; leaving closes every connection."""
    listeners = await trio.open_tcp_listeners(0, host=HOST)
    server = VoiceServer(f"http://{HOST}:{listeners[0].socket.getsockname()[1]}", scripts)

    async def serve(stream: trio.SocketStream) -> None:
        await serve_http(stream, partial(_answer, server))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield server
        nursery.cancel_scope.cancel()


async def _answer(server: VoiceServer, head: h11.Request, body: bytes, exchange: HttpExchange, wire: Wire) -> None:
    headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
    request = VoiceRequest(head.method.decode(), head.target.decode(), headers, [orjson.loads(body)] if body else [])
    with server.answering(request) as (number, script):
        async with trio.open_nursery() as nursery:
            # Its end of the connection is noticed by reading from it; the wire then cancels all of this.
            nursery.start_soon(exchange.left)
            await exchange.begin(script.refuse_status or 200, ("Content-Type", script.content_type))
            if script.refuse_status is not None:
                await exchange.body(script.refusal.encode())
            else:
                async with aclosing(said(script, trio.lowlevel.checkpoint, wire)) as pieces:  # type: ignore[type-var]
                    async for piece in pieces:
                        await exchange.body(piece if isinstance(piece, bytes) else piece.encode())
                        server.count(number)
            await exchange.end()
            nursery.cancel_scope.cancel()
