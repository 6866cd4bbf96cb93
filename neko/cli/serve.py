"""`neko serve`: the server, until Ctrl-C or SIGTERM has drained it."""

from __future__ import annotations

import logging
import os
import sys
import webbrowser
from functools import partial
from typing import TYPE_CHECKING

import click
import trio

from neko.app import House, NotReady, open_house
from neko.app.collector import calm_collector
from neko.cli.configuration import find_source, load_configuration
from neko.cli.failures import in_one_sentence
from neko.cli.logs import LogStyle, configure_logs
from neko.cli.options import config_option, log_option
from neko.cli.process import STOPPING
from neko.cli.progress import ProgressBars
from neko.config.find import names_data_folder
from neko.config.model import AudioFrames
from neko.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from neko.app.watching import Source
    from neko.config.manager import ConfigManager


log = get_logger("cli")


@click.command(short_help="Serve the configured characters on one port.")
@config_option
@click.option("--host", metavar="H", help="Address to listen at; otherwise server.host of the configuration.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    metavar="P",
    help="Port to listen at, 0 for any free one; otherwise server.port of the configuration.",
)
@click.option(
    "--audio-frames",
    type=click.Choice([frames.value for frames in AudioFrames]),
    help="How speech goes to clients that do not ask: inside the JSON, or in a binary frame after it.",
)
@click.option("--open", "open_page", is_flag=True, help="Open the page in the browser as soon as the server is ready.")
@log_option
def serve(
    config_file: Path | None,
    host: str | None,
    port: int | None,
    audio_frames: str | None,
    open_page: bool,
    log_style: str,
) -> None:
    """Serve the configured characters on one port, with their page at /.

    Ctrl-C and SIGTERM drain: no new connections, speech in progress is finished within server.grace_s, every client
    gets a goodbye. A second Ctrl-C does not wait for that.
    """
    with in_one_sentence(LogStyle(log_style)):
        frames = AudioFrames(audio_frames) if audio_frames else None
        config = load_configuration(config_file, frames)
        configure_logs(LogStyle(log_style), logging.INFO)
        server = config.configuration.server
        serving = partial(
            _serve,
            host=server.host if host is None else host,
            port=server.port if port is None else port,
            open_page=open_page,
            source=find_source(config_file, frames),
        )
        calm_collector()
        trio.run(serving, config)


async def _serve(config: ConfigManager, *, host: str, port: int, open_page: bool, source: Source) -> None:
    with trio.open_signal_receiver(*STOPPING) as signals, ProgressBars() as bars:
        async with trio.open_nursery() as process:
            # The next signal does the last of these; before somebody can be connected there is nothing to drain.
            stops: list[Callable[[], None]] = [process.cancel_scope.cancel]
            process.start_soon(_obey, signals, stops)
            # A folder that somebody has named is meant for this one; the usual one may be another server's.
            alone = names_data_folder(config.configuration.server, os.environ)
            async with open_house(
                config, host=host, port=port, on_progress=bars, source=source, agents=True, alone=alone
            ) as house:
                stops.append(partial(_drain, house))
                click.echo(f"neko listens at {house.url}")
                await _attend(house, open_page=open_page)
            process.cancel_scope.cancel()


async def _obey(signals: AsyncIterator[int], stops: list[Callable[[], None]]) -> None:
    while stops:
        await anext(signals)
        stops.pop()()


def _drain(house: House) -> None:
    if sys.stderr.isatty():
        # Elsewhere stderr is a log, and the house writes that it drains.
        click.echo("finishing what is being said; Ctrl-C again stops at once", err=True)
    house.drain()


async def _attend(house: House, *, open_page: bool) -> None:
    """Says when the house is ready; ends with it."""
    try:
        await house.ready()
    except NotReady as reason:
        # The characters with other providers can be talked to, and the page says the same.
        log.error("house.not_ready", details=str(reason))
    else:
        click.echo(f"neko is ready: talk at {house.url} or with `neko talk --url {house.url}`")
        if open_page:
            # Some browsers are text browsers that stay until they are left; the drain does not wait for them.
            await trio.to_thread.run_sync(webbrowser.open, house.url, abandon_on_cancel=True)
    await trio.sleep_forever()
