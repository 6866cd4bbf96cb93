"""The server under test: `python -m neko.bench.house CONFIG` is `neko serve` that tells how late its event loop is."""

from __future__ import annotations

import sys
from pathlib import Path

import structlog
import trio

from neko.app import open_house
from neko.app.collector import calm_collector
from neko.bench.lateness import tell_lateness
from neko.config.manager import ConfigManager
from neko.config.read import read_configuration
from neko.config.store import OverrideStore


async def serve(path: Path) -> None:
    """Returns when standard input ends."""
    config = ConfigManager(read_configuration(path), OverrideStore.in_folder(path.parent))
    async with open_house(config, host="127.0.0.1", port=0, on_progress=lambda *_: None, agents=True) as house:
        await tell_lateness(house.url)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    calm_collector()
    trio.run(serve, Path(sys.argv[1]))
