"""A configuration file that a test writes, the house that follows it, and what the log says of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from math import inf
from pathlib import Path
from typing import Any

import httpx
import structlog
import trio
from attrs import frozen

from neko.app import House, open_house
from neko.app.watching import Source
from neko.config.manager import ConfigManager
from neko.config.read import read_configuration
from neko.config.store import OverrideStore
from tests.web_house import Web

SOON_S = 30.0  # a change is seen after 0.1 s, engines take five; more than this is never, however busy the machine

SCRIPTED = '[providers.local]\nkind = "local"\nmodel = "scripted"\n'
YUI = SCRIPTED + '[characters.Yui]\nprompt = "You are a baker."\n'
PIRATE = YUI.replace("baker", "pirate")
MIMI = "[characters.Mimi]\n"

Line = MutableMapping[str, Any]


@frozen
class Log:
    lines: trio.MemoryReceiveChannel[Line]

    async def next(self, *events: str) -> Line:
        """The next line with one of these events; what comes before it is gone."""
        with trio.fail_after(SOON_S):
            async for line in self.lines:
                if line["event"] in events:
                    return line
        raise AssertionError(f"none of {events}")


@contextmanager
def reading_log() -> Iterator[Log]:
    """All that is logged meanwhile."""
    send, receive = trio.open_memory_channel[Line](inf)
    processors = structlog.get_config()["processors"]
    before = [*processors]

    def keep(_logger: object, level: str, line: Line) -> Line:
        send.send_nowait({**line, "level": level})
        raise structlog.DropEvent

    # In place, as structlog's own `capture_logs` does it: loggers in use keep their list.
    processors[:] = [keep]
    try:
        yield Log(receive)
    finally:
        processors[:] = before


@frozen
class WatchedHouse:
    house: House
    file: Path
    log: Log
    http: httpx.AsyncClient

    @property
    def web(self) -> Web:
        return Web(int(self.house.url.rsplit(":", 1)[1]))

    async def write(self, text: str) -> Line:
        """Writes the file; what the log says of it."""
        self.file.write_text(text, encoding="utf-8")
        return await self.log.next("config.read", "config.refused")

    async def character(self, name: str) -> dict[str, Any]:
        answer = await self.http.get(f"/api/characters/{name}")
        character: dict[str, Any] = answer.raise_for_status().json()
        return character

    async def names(self) -> list[str]:
        characters = (await self.http.get("/api/characters")).json()["characters"]
        return [character["name"] for character in characters]


@asynccontextmanager
async def a_watched_house(folder: Path, text: str) -> AsyncIterator[WatchedHouse]:
    """On a loopback port; its first look at the file is over."""
    file = folder / "neko.toml"
    file.write_text(text, encoding="utf-8")
    config = ConfigManager(read_configuration(file), OverrideStore.in_folder(folder / "data"), str(file))
    with reading_log() as log:
        async with (
            open_house(config, host="127.0.0.1", port=0, on_progress=_in_silence, source=Source((file,))) as house,
            httpx.AsyncClient(base_url=house.url, trust_env=False) as http,
        ):
            first = await log.next("config.read")
            assert (first["touched"], first["added"], first["removed"]) == ([], [], [])
            yield WatchedHouse(house, file, log, http)


def _in_silence(_what: str, _done: int, _total: int) -> None:
    return
