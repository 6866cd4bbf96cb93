"""A client of the simulator in any dialect, over sockets or in memory; remembers all that it got."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
import pybase64
import pytest
from attrs import define, field

from neko.realtime.dial import dial
from neko.sockets import Socket, SocketClosed
from neko.testing import ProviderInMemory, TagReader, tag

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from neko.testing import Provider

Event = dict[str, Any]
ABNORMAL = 1006  # RFC 6455, section 7.1.5: nobody said goodbye


@define(eq=False)
class SimClient:
    socket: Socket
    got: list[Event] = field(factory=list)

    async def send(self, event: Event) -> None:
        await self.socket.send(orjson.dumps(event).decode())

    async def say(self, pcm: bytes) -> None:
        """In the way of OpenAI and its kin."""
        await self.send({"type": "input_audio_buffer.append", "audio": pybase64.b64encode_as_string(pcm)})

    async def next(self) -> Event:
        event: Event = orjson.loads(await self.socket.receive())
        self.got.append(event)
        return event

    async def until(self, found: str | Callable[[Event], bool]) -> Event:
        """Reads on to the next event of this type, or with this field, or of which this holds."""
        while True:
            event = await self.next()
            if found(event) if callable(found) else event.get("type") == found or found in event:
                return event

    async def until_closed(self) -> tuple[int, str]:
        """Reads to the end; the close code and the reason."""
        with pytest.raises(SocketClosed) as end:
            await self.until(lambda _: False)
        return end.value.code or ABNORMAL, end.value.reason

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.got]

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.got if event.get("type") == kind]


@asynccontextmanager
async def talking_to(provider: Provider, query: str = "?model=sim") -> AsyncIterator[SimClient]:
    reach = provider.dial if isinstance(provider, ProviderInMemory) else dial
    async with reach(provider.url + query, {}) as socket:
        yield SimClient(socket)


def utterance(rate: int, first: int = 0) -> bytes:
    """100 ms of speech and 50 ms of silence, all tagged."""
    return tag(first, 10, rate) + tag(first + 10, 5, rate, voiced=False)


def tags_in(deltas: list[str]) -> list[int]:
    """The blocks in base64 pieces of 24 kHz speech."""
    return TagReader(24_000).push(b"".join(pybase64.b64decode(delta) for delta in deltas))
