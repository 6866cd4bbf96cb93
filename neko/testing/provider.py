"""The loopback provider: a WebSocket server on 127.0.0.1 that behaves, and misbehaves, like a model's API."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import orjson
import trio
from attrs import frozen
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, wrap_server_stream

from neko.testing.behaviour import Behaviour
from neko.testing.bell import Bell
from neko.testing.dialects import Opening
from neko.testing.dialects.openai import OpenAI
from neko.testing.handles import Handles
from neko.testing.record import Handshake
from neko.testing.refusal import refusal
from neko.testing.session import ProviderSession
from neko.testing.slow_pongs import SlowPongs
from neko.testing.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from neko.testing.dialects import Dialect
    from neko.testing.streams import End

HOST = "127.0.0.1"
RECEIVE_BUFFER = 64 * 1024  # bytes; trio-websocket's own 4 KiB take several reads for one delta of speech
MAX_MESSAGE = 16 * 1024 * 1024  # OpenAI takes 15 MiB of audio in one append
MESSAGES = 16  # a client that sends faster than it is heard is held back by TCP
NOT_FOUND = 404
JSON = (b"Content-Type", b"application/json")
WELL_BEHAVED = Behaviour()
DEFAULT_LIFE_S = 3600  # what `expires_at` announces where neither the behaviour nor the dialect names a limit


@frozen
class _Accepted:
    """An upgraded connection, and the behaviour of the moment when it came."""

    connection: WebSocketConnection
    handshake: Handshake
    behaviour: Behaviour


class Provider:
    """What a test sees of the server.

    `sessions`: one per accepted upgrade, in order. `handshakes`: one per upgrade request, accepted or not.
    `behaviour`: what the next connection meets; may be replaced at any time.
    """

    def __init__(self, url: str, behaviour: Behaviour, dialect: type[Dialect]) -> None:
        self.url = url
        self.behaviour = behaviour
        self.sessions: list[ProviderSession] = []
        self.handshakes: list[Handshake] = []
        self.open_sessions = 0
        self._dialect = dialect
        self._handles = Handles()
        self._bell = Bell()
        self._next_block = 0

    async def session(self, number: int = 0) -> ProviderSession:
        """Waits for the session with this place in `sessions`."""
        await self._bell.until(lambda: len(self.sessions) > number)
        return self.sessions[number]

    async def shaking_hands(self, count: int = 1) -> None:
        """Waits until so many upgrade requests have come in all."""
        await self._bell.until(lambda: len(self.handshakes) >= count)

    async def sockets(self, count: int) -> None:
        """Waits until exactly so many sockets are open, those in their handshake included."""
        await self._bell.until(lambda: self.open_sessions == count)

    async def serve(self, stream: trio.SocketStream | End) -> None:
        """One accepted connection to its end. A client that leaves in the middle of the handshake ends it at once."""
        self._count(1)
        handshake = trio.CancelScope()
        try:
            async with Wire(stream, on_end=handshake.cancel) as wire, trio.open_nursery() as nursery:
                accepted = None
                with handshake:
                    accepted = await self._shake_hands(wire, nursery)
                if accepted is not None:
                    await self._converse(accepted, wire)
                nursery.cancel_scope.cancel()
        finally:
            self._count(-1)

    async def _shake_hands(self, wire: Wire, nursery: trio.Nursery) -> _Accepted | None:
        """None when the upgrade was refused, or the client did not wait for it."""
        behaviour = self.behaviour
        pongs = SlowPongs(wire, behaviour.pong_delay_s) if behaviour.pong_delay_s else None
        request = await wrap_server_stream(nursery, pongs or wire, MESSAGES, MAX_MESSAGE, RECEIVE_BUFFER)
        handshake = _read(request)
        self.handshakes.append(handshake)
        self._bell.ring()
        await trio.sleep(behaviour.handshake_delay_s)
        status = behaviour.refuse_status if handshake.path == self._dialect.path else NOT_FOUND
        try:
            if status is not None:
                await request.reject(status, extra_headers=_refusing(behaviour), body=orjson.dumps(refusal(status)))
                return None
            connection = await request.accept(subprotocol=next(iter(handshake.subprotocols), None))
        except ConnectionClosed:
            return None
        if pongs is not None:
            nursery.start_soon(pongs.answer, connection)
        return _Accepted(connection, handshake, behaviour)

    async def _converse(self, accepted: _Accepted, wire: Wire) -> None:
        name, behaviour = str(len(self.sessions)), accepted.behaviour
        opening = self._opening(f"sess_{name}", accepted)
        session = ProviderSession(accepted.handshake, self._dialect(opening), behaviour, name)
        self.sessions.append(session)
        self._bell.ring()
        try:
            await session.run(accepted.connection, wire, self._take_blocks)
        finally:
            self._handles.closed(opening.session_id)

    def _opening(self, session_id: str, accepted: _Accepted) -> Opening:
        life_s = accepted.behaviour.expires_after_s
        expires_at = int(time.time() + (self._dialect.max_session_s or DEFAULT_LIFE_S if life_s is None else life_s))
        query = accepted.handshake.query
        model = query.get("model") or query.get("deployment", "")  # Azure's word for it
        return Opening(session_id, model, expires_at, self._handles)

    def _take_blocks(self, count: int) -> int:
        first = self._next_block
        self._next_block += count
        return first

    def _count(self, change: int) -> None:
        self.open_sessions += change
        self._bell.ring()


def _refusing(behaviour: Behaviour) -> list[tuple[bytes, bytes]]:
    after_s = behaviour.retry_after_s
    return [JSON] if after_s is None else [JSON, (b"Retry-After", f"{after_s:g}".encode())]


def _read(request: WebSocketRequest) -> Handshake:
    parts = urlsplit(request.path)
    return Handshake(
        path=parts.path,
        query=dict(parse_qsl(parts.query)),
        headers={name.decode().lower(): value.decode("latin-1") for name, value in request.headers},
        subprotocols=request.proposed_subprotocols,
    )


@asynccontextmanager
async def open_provider(
    behaviour: Behaviour = WELL_BEHAVED, dialect: type[Dialect] = OpenAI, port: int = 0
) -> AsyncIterator[Provider]:
    """A provider on a port of 127.0.0.1, a free one for 0; leaving closes every socket.

    The tagged blocks that it speaks are numbered from 0 over all its sessions and replies.

    Raises:
        OSError: the port cannot be had.
    """
    listeners = await trio.open_tcp_listeners(port, host=HOST)
    port = listeners[0].socket.getsockname()[1]
    provider = Provider(f"ws://{HOST}:{port}{dialect.path}", behaviour, dialect)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, provider.serve, listeners)
        yield provider
        nursery.cancel_scope.cancel()
