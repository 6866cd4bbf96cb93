"""A WebSocket to a provider whose every end, a cancel in mid-handshake included, closes the socket."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import trio
from trio_websocket import ConnectionRejected

from neko.realtime.errors import Unreachable, only_error, refused
from neko.realtime.refusals import refusal
from neko.realtime.trust import for_websockets
from neko.sockets.greeting import Greeting
from neko.sockets.lean import lean, prompt
from neko.sockets.lean_connection import lean_client
from neko.sockets.socket import Socket
from neko.sockets.trio_socket import TrioSocket

# Bytes: an audio delta of a quarter of a second; the library's 4 KiB cost several wake-ups for that. What is read at
# once is told before anybody else's is.
RECEIVE_BUFFER = 16 * 1024
MAX_MESSAGE = 16 * 1024 * 1024  # bytes; OpenAI's largest event is a 15 MiB append
QUEUE = 64  # messages; 2.5 s of 40 ms deltas, then TCP holds the provider back
GOODBYE_WITHIN = 2.0  # seconds for the closing handshake; a provider that does not answer is left
CANCELLED_WITHIN = 0.1  # seconds to put the close frame on the line; nobody is left who could read the answer
_PORTS = {"ws": 80, "wss": 443}


@asynccontextmanager
async def dial(url: str, headers: Mapping[str, str]) -> AsyncIterator[Socket]:
    """A connected WebSocket. Leaving says goodbye within two seconds; a cancel while dialling closes at once.

    Raises:
        Unreachable: nobody answers there, or hangs up in the handshake.
        ProviderError: the kind that the HTTP status of the refusal names.
    """
    parts = urlsplit(url)
    stream = await _connect(parts.hostname or "", parts.port or _PORTS[parts.scheme], parts.scheme)
    async with upgrade(stream, parts.netloc, url, headers) as websocket:
        yield websocket


@asynccontextmanager
async def upgrade(stream: trio.abc.Stream, host: str, url: str, headers: Mapping[str, str]) -> AsyncIterator[Socket]:
    """What `dial` does once it is connected: a WebSocket over the stream, which is closed whatever happens.

    Of the URL only path and query count. Raises as `dial` does.
    """
    try:
        async with trio.open_nursery() as nursery:
            socket = await _shake_hands(nursery, stream, host, url, headers)
            try:
                yield socket
            finally:
                cancelled = trio.current_effective_deadline() <= trio.current_time()
                with trio.move_on_after(CANCELLED_WITHIN if cancelled else GOODBYE_WITHIN, shield=True):
                    await socket.aclose()
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        error = only_error(group)
        if isinstance(error, ConnectionRejected):
            said = refusal(error.status_code, error.headers or (), error.body or b"", headers.items())
            raise refused(host, said) from None
        raise error from error.__cause__
    finally:
        await trio.aclose_forcefully(stream)


async def _shake_hands(
    nursery: trio.Nursery, stream: trio.abc.Stream, host: str, url: str, headers: Mapping[str, str]
) -> Socket:
    resource = urlsplit(url)._replace(scheme="", netloc="", fragment="").geturl() or "/"
    greeting = Greeting(stream, Unreachable)
    connection = await lean_client(
        nursery,
        greeting,
        host=host,
        path=resource,
        client_extra_headers=[(name.encode(), value.encode()) for name, value in headers.items()],
        message_queue_size=QUEUE,
        max_message_size=MAX_MESSAGE,
        receive_buffer_size=RECEIVE_BUFFER,
    )
    greeting.step_aside()
    return TrioSocket(connection, prompt(stream))


async def _connect(host: str, port: int, scheme: str) -> trio.abc.Stream:
    try:
        if scheme == "wss":
            stream = await trio.open_ssl_over_tcp_stream(
                host, port, https_compatible=True, ssl_context=await for_websockets()
            )
            return await _shaken(stream, f"{host}:{port}")
        return lean(await trio.open_tcp_stream(host, port))
    except OSError as error:
        raise Unreachable(f"nobody answers at {host}:{port} ({error})") from error


async def _shaken(stream: trio.SSLStream[trio.SocketStream], who: str) -> trio.SSLStream[trio.SocketStream]:
    """The stream, once TLS is up: left to the first bytes, a refusal would only be noticed by whoever sends them."""
    try:
        await stream.do_handshake()
    except (trio.BrokenResourceError, ssl.SSLError) as error:
        await trio.aclose_forcefully(stream)
        raise Unreachable(f"{who} offers no TLS that can be trusted ({error.__cause__ or error})") from error
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return stream
