"""The provider without sockets: the real WebSocket protocol over streams in memory, made for virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from neko.realtime.dial import upgrade
from neko.testing.dialects.openai import OpenAI
from neko.testing.provider import WELL_BEHAVED, Provider
from neko.testing.streams import stream_pair

if TYPE_CHECKING:
    from neko.sockets import Socket
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
    async def dial(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[Socket]:
        """`neko.realtime.dial.dial` over another stream; of the URL only path and query count."""
        ours, theirs = stream_pair()
        self._nursery.start_soon(self.serve, theirs)
        async with upgrade(ours, HOST, url, headers) as websocket:
            yield websocket


@asynccontextmanager
async def open_provider_in_memory(
    behaviour: Behaviour = WELL_BEHAVED, dialect: type[Dialect] = OpenAI
) -> AsyncIterator[ProviderInMemory]:
    """A provider behind `dial`; leaving ends every session. Otherwise as `open_provider`."""
    async with trio.open_nursery() as nursery:
        yield ProviderInMemory(behaviour, dialect, nursery)
        nursery.cancel_scope.cancel()
