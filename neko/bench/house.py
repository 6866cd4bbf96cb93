"""The server under test: `python -m neko.bench.house CONFIG` is `neko serve` that tells how late its event loop is."""

from __future__ import annotations

import sys
from pathlib import Path

import structlog
import trio
from attrs import evolve

from neko.app import open_house
from neko.app.collector import calm_collector
from neko.bench.lateness import tell_lateness
from neko.config.manager import ConfigManager
from neko.config.model import WebSocketLibrary
from neko.config.read import read_configuration
from neko.config.store import OverrideStore

if __name__ == "__main__":

    async def serve(path: Path, library: WebSocketLibrary) -> None:
        read = read_configuration(path)
        read = evolve(read, server=evolve(read.server, websockets=library))
        config = ConfigManager(read, OverrideStore.in_folder(path.parent))
        async with open_house(config, host="127.0.0.1", port=0, on_progress=lambda *_: None) as house:
            await house.ready()
            calm_collector()
            await tell_lateness(house.url.replace("http://", "ws://"))

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    *library, config = sys.argv[1:]
    trio.run(serve, Path(config), WebSocketLibrary(*(library or [WebSocketLibrary.TRIO_WEBSOCKET])))
