"""The provider without sockets: the real WebSocket protocol over streams in memory, made for virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trio
import trio.testing
from trio_websocket import ConnectionRejected, WebSocketConnection, wrap_client_stream

from neko.realtime.dial import GOODBYE_WITHIN, MAX_MESSAGE, QUEUE, RECEIVE_BUFFER
from neko.realtime.errors import Unreachable, only_error, refused
from neko.testing.dialects.openai import OpenAI
from neko.testing.provider import WELL_BEHAVED, Provider
from neko.testing.wire import Wire

if TYPE_CHECKING:
    from neko.testing.behaviour import Behaviour
    from neko.testing.dialects import Dialect

HOST = "simulator"


class ProviderInMemory(Provider):
    """A provider that is reached by `dial` alone. Its streams have no limit: a client that does not read holds up
    nobody."""

    def __init__(self, behaviour: Behaviour, dialect: type[Dialect], nursery: trio.Nursery) -> None:
        super().__init__(f"ws://{HOST}{dialect.path}", behaviour, dialect)
        self._nursery = nursery

    @asynccontextmanager
    async def dial(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[WebSocketConnection]:
        """What `neko.realtime.dial.dial` does, with the same errors; of the URL only path and query count.

        Raises:
            Unreachable: the provider hangs up in the handshake.
            ProviderError: the kind that the HTTP status of the refusal names.
        """
        ours, theirs = trio.testing.memory_stream_pair()
        self._nursery.start_soon(self.serve, theirs)
        waiting = trio.CancelScope()
        wire = Wire(ours, on_end=waiting.cancel)
        try:
            async with wire, trio.open_nursery() as nursery:
                with waiting:
                    websocket = await _upgrade(wire, nursery, url, headers)
                if waiting.cancelled_caught:
                    raise Unreachable("the simulator hung up in the handshake")
                try:
                    yield websocket
                finally:
                    with trio.move_on_after(GOODBYE_WITHIN, shield=True):
                        await websocket.aclose()
                    nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            error = only_error(group)
            if isinstance(error, ConnectionRejected):
                raise refused(error.status_code, HOST, (error.body or b"").decode()) from None
            raise error from error.__cause__


async def _upgrade(wire: Wire, nursery: trio.Nursery, url: str, headers: Mapping[str, str]) -> WebSocketConnection:
    return await wrap_client_stream(
        nursery,
        wire,  # type: ignore[arg-type]  # it says SocketStream and uses what every Stream has
        HOST,
        urlsplit(url)._replace(scheme="", netloc="", fragment="").geturl() or "/",
        extra_headers=[(name.encode(), value.encode()) for name, value in headers.items()],
        message_queue_size=QUEUE,
        max_message_size=MAX_MESSAGE,
        receive_buffer_size=RECEIVE_BUFFER,
    )


@asynccontextmanager
async def open_provider_in_memory(
    behaviour: Behaviour = WELL_BEHAVED, dialect: type[Dialect] = OpenAI
) -> AsyncIterator[ProviderInMemory]:
    """A provider behind `dial`; leaving ends every session. Otherwise as `open_provider`."""
    async with trio.open_nursery() as nursery:
        yield ProviderInMemory(behaviour, dialect, nursery)
        nursery.cancel_scope.cancel()
