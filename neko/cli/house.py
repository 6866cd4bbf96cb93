"""The server that a command talks to: a running one, or one of its own for as long as the command takes."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, assert_never
from urllib.parse import unquote, urlsplit

import click
from attrs import frozen

from neko.app import open_house
from neko.cli.configuration import load_configuration
from neko.cli.progress import ProgressBars
from neko.client import connect, stay_connected, websocket_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from neko.client import CharacterClient, ConnectionLost
    from neko.config.manager import ConfigManager

LOOPBACK = "127.0.0.1"
TOKEN = "NEKO_TOKEN"  # what the built-in configuration calls it; the client of a running server knows no other


@frozen
class RunningServer:
    """Somebody else's; `url` is the character's own."""

    url: str
    character: str


@frozen
class OwnHouse:
    """One that is started for this command."""

    config: ConfigManager
    character: str


Place = RunningServer | OwnHouse


def find_place(url: str | None, config_file: Path | None, character: str | None) -> Place:
    """Decides before anything is started.

    Raises:
        ConfigError, BadAddress, click.UsageError: the last for a character that is not there.
    """
    if url is not None:
        address = websocket_url(url, character)
        return RunningServer(address, unquote(urlsplit(address).path.rpartition("/")[2]))
    config = load_configuration(config_file)
    if character is not None and character not in config.names:
        raise click.UsageError(f"no character is called {character!r}; accepted: {', '.join(config.names)}")
    return OwnHouse(config, character or config.first)


@asynccontextmanager
async def character_at(
    place: Place, on_break: Callable[[ConnectionLost], None] | None = None
) -> AsyncIterator[CharacterClient]:
    """A connection to the character, and around it the house that it lives in when no server runs for it.

    With `on_break` a connection to somebody else's server comes back when it breaks, and that is told.
    """
    match place:
        case RunningServer(url):
            token = os.environ.get(TOKEN)
            calling = (
                connect(url, token=token) if on_break is None else stay_connected(url, token=token, on_break=on_break)
            )
            async with calling as client:
                yield client
        case OwnHouse(config, character):
            token = os.environ.get(config.configuration.server.auth_token_env)
            async with ready_house(config) as url, connect(url, character, token=token) as client:
                yield client
        case _:
            assert_never(place)


@asynccontextmanager
async def ready_house(config: ConfigManager) -> AsyncIterator[str]:
    """A house on a free port of this machine, warm; yields its URL. Raises `neko.app.NotReady`."""
    with ProgressBars() as bars:
        async with open_house(config, host=LOOPBACK, port=0, on_progress=bars, alone=False) as house:
            await house.ready()
            yield house.url
