"""`neko check`: what is wrong with the configuration, before anybody talks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import click

from neko.app import Verdict
from neko.app import check as check_house
from neko.cli.configuration import load_configuration
from neko.cli.failures import Failure, in_one_sentence
from neko.cli.logs import LogStyle, configure_logs
from neko.cli.options import config_option, log_option
from neko.cli.process import run_until_stopped

if TYPE_CHECKING:
    from pathlib import Path

    from neko.config.manager import ConfigManager


COLOURS = {Verdict.OK: "green", Verdict.UNUSED: "bright_black", Verdict.FAILED: "red"}


@click.command(short_help="Find what is wrong with the configuration.")
@config_option
@log_option
def check(config_file: Path | None, log_style: str) -> None:
    """Read the configuration and shake hands with each provider and voice.

    Nothing is generated, so nothing costs money. Each embedded model is listed with its licence, size and hash.
    Exit status 2 when the configuration cannot be used, 1 when something that it names does not work.
    """
    with in_one_sentence(LogStyle(log_style)):
        config = load_configuration(config_file)
        configure_logs(LogStyle(log_style), logging.WARNING)
        run_until_stopped(_check, config)


async def _check(config: ConfigManager) -> None:
    failed = []
    async for finding in check_house(config):
        mark = click.style(f"{finding.verdict:<6}", fg=COLOURS[finding.verdict])
        click.echo(f"{mark}  {finding.subject}: {finding.detail}")
        if finding.verdict is Verdict.FAILED:
            failed.append(finding.subject)
    if failed:
        need = "needs" if len(failed) == 1 else "need"
        raise Failure(f"{len(failed)} of the findings above {need} your attention: {', '.join(failed)}")
