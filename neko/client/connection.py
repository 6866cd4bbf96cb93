"""A WebSocket to a character: opened, handed out, and closed with a goodbye."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trio
from trio_websocket import ConnectionRejected, WebSocketConnection, wrap_client_stream

from neko.client.address import websocket_url
from neko.client.character import CharacterClient
from neko.client.errors import Unreachable, rejected
from neko.client.lasting import LastingLine
from neko.client.line import OneLine
from neko.protocol.client import AudioFraming
from neko.protocol.codec import MAX_FRAME
from neko.sockets.greeting import Greeting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from neko.client.errors import ConnectionLost
    from neko.client.lasting import Dial

    Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]

RECEIVE_BUFFER = 64 * 1024  # bytes; a second of base64 speech is 128 KiB, and each read costs a wake-up
FRAME_BACKLOG = 64  # frames between the socket and the reader; a full one pushes back on the server
CONNECT_WITHIN_S = 10.0  # TCP, TLS and the HTTP upgrade; existing clients give a whole start as long
GOODBYE_WITHIN_S = 2.0  # for the close handshake; a server that needs longer is gone
CANCELLED_WITHIN_S = 0.1  # to put the close frame on the line; nobody is left who could read the answer


@asynccontextmanager
async def connect(
    url: str,
    character: str | None = None,
    *,
    framing: AudioFraming = AudioFraming.BINARY,
    token: str | None = None,
) -> AsyncIterator[CharacterClient]:
    """A connection to the character at `url` (`ws://host:port/ws/Yui`, or `http://host:port` and a name).

    Leaving the context closes the socket cleanly, which ends the session; give `end()` first to say so in words.
    Cancelled, it says goodbye and does not wait for the answer. An unknown character and a wrong token show in
    `start()` or in the iteration, because the server says so in the socket.

    Raises:
        BadAddress, Unreachable, Unauthorized, ServerDraining: and nothing was connected.
    """
    async with _dial(websocket_url(url, character), token) as line:
        yield CharacterClient(line, framing)


@asynccontextmanager
async def stay_connected(
    url: str,
    character: str | None = None,
    *,
    framing: AudioFraming = AudioFraming.BINARY,
    token: str | None = None,
    on_break: Callable[[ConnectionLost], None] = lambda _: None,
) -> AsyncIterator[CharacterClient]:
    """As `connect`, and when the connection breaks, another one takes its place and the conversation goes on: see
    `LastingLine`. `on_break` is told of each.

    The iteration and `send` raise when that does not succeed within a minute, and when the server ends it for good.
    """
    async with _lasting(partial(_dial, websocket_url(url, character), token), on_break) as line:
        yield CharacterClient(line, framing)


@asynccontextmanager
async def _lasting(dial: Dial, on_break: Callable[[ConnectionLost], None]) -> AsyncIterator[LastingLine]:
    line = LastingLine(dial, on_break)
    with _plain_errors():
        async with trio.open_nursery() as nursery:
            await nursery.start(line.run)
            yield line
            with trio.move_on_after(GOODBYE_WITHIN_S):
                await line.sent()
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def _dial(address: str, token: str | None) -> AsyncIterator[OneLine]:
    stream = await _open_stream(address)
    # trio-websocket 0.12 leaves its stream open when the server refuses or closes first; this one is ours to close.
    async with stream:
        with _plain_errors():
            async with trio.open_nursery() as reader:
                websocket = await _shake_hands(reader, stream, address, token)
                try:
                    yield OneLine(websocket)
                finally:
                    cancelled = trio.current_effective_deadline() <= trio.current_time()
                    with trio.move_on_after(CANCELLED_WITHIN_S if cancelled else GOODBYE_WITHIN_S, shield=True):
                        await websocket.aclose()
                # A server that answers the goodbye and keeps the stream open must not keep us.
                reader.cancel_scope.cancel()


async def _open_stream(address: str) -> Stream:
    parts = urlsplit(address)
    assert parts.hostname is not None  # websocket_url refuses such an address
    try:
        with trio.fail_after(CONNECT_WITHIN_S):
            if parts.scheme == "wss":
                return await trio.open_ssl_over_tcp_stream(parts.hostname, parts.port or 443, https_compatible=True)
            return await trio.open_tcp_stream(parts.hostname, parts.port or 80)
    except (OSError, trio.TooSlowError):
        raise Unreachable(f"no neko server answers at {address}") from None


async def _shake_hands(reader: trio.Nursery, stream: Stream, address: str, token: str | None) -> WebSocketConnection:
    parts = urlsplit(address)
    try:
        # A refusal does not come out of here: the reader raises it, and `_plain_errors` translates it.
        with trio.fail_after(CONNECT_WITHIN_S):
            greeting = Greeting(stream, Unreachable)
            websocket = await wrap_client_stream(
                reader,
                greeting,  # type: ignore[arg-type]  # any stream will do
                parts.netloc,
                f"{parts.path}?{parts.query}" if parts.query else parts.path,
                extra_headers=[(b"Authorization", f"Bearer {token}".encode())] if token else [],
                message_queue_size=FRAME_BACKLOG,
                max_message_size=MAX_FRAME,
                receive_buffer_size=RECEIVE_BUFFER,
            )
            greeting.step_aside()
            return websocket
    except (trio.TooSlowError, trio.BrokenResourceError):
        raise Unreachable(f"{address} does not answer as a neko server does") from None


@contextmanager
def _plain_errors() -> Iterator[None]:
    """The one error of the body or of the handshake as itself, without the group of the reader's nursery around it."""
    try:
        yield
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        error = group.exceptions[0]
        if isinstance(error, ConnectionRejected):
            error = rejected(error.status_code)
        raise error from error.__cause__  # noqa: ASYNC123  # the group says no more than the error
