"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

from neko.cli.logs import LogStyle

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Otherwise $NEKO_CONFIG, ./neko.toml, neko.toml in your config folder, or the built-in configuration.",
)
log_option = click.option(
    "--log",
    "log_style",
    type=click.Choice([style.value for style in LogStyle]),
    default=LogStyle.TEXT.value,
    show_default=True,
    help="How log lines on stderr look.",
)
url_option = click.option(
    "--url",
    metavar="URL",
    help="Talk to a running server (http://HOST:PORT or ws://HOST:PORT/ws/NAME) instead of starting one for this"
    " command. A token is taken from $NEKO_TOKEN.",
)
