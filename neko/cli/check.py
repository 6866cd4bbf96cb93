"""`neko check`: what is wrong with the configuration, before anybody talks."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from neko.app import Finding, ProviderFinding, Verdict
from neko.app import check as check_house
from neko.cli.configuration import load_configuration
from neko.cli.failures import Failure, in_one_sentence
from neko.cli.logs import LogStyle, configure_logs
from neko.cli.options import config_option, log_option
from neko.cli.process import run_until_stopped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from neko.config.manager import ConfigManager


COLUMNS = 400  # of a table that goes into a file or a pipe, where a row is a line
COLOURS = {Verdict.OK: "green", Verdict.UNUSED: "bright_black", Verdict.FAILED: "red"}


def _providers(findings: Sequence[ProviderFinding]) -> Table:
    headings = ("", "provider", "kind", "where", "tried", "result", "its sessions")
    rows = [(each, each.name, each.kind, each.url, each.tried, each.detail, each.sessions) for each in findings]
    return _table(headings, rows)


def _table(headings: Sequence[str], rows: Sequence[tuple[Finding, *tuple[str, ...]]]) -> Table:
    """One row for each finding, its verdict first."""
    table = Table(*headings, box=None, pad_edge=False)
    for finding, *cells in rows:
        table.add_row(Text(finding.verdict.value, style=COLOURS[finding.verdict]), *map(Text, cells))
    return table


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
    findings = [finding async for finding in check_house(config)]
    others = [each for each in findings if not isinstance(each, ProviderFinding)]
    console = Console(soft_wrap=True) if sys.stdout.isatty() else Console(width=COLUMNS)
    console.print(_providers([each for each in findings if isinstance(each, ProviderFinding)]))
    console.print()
    console.print(_table(("", "what", "details"), [(each, each.subject, each.detail) for each in others]))
    failed = [each.subject for each in findings if each.verdict is Verdict.FAILED]
    if failed:
        need = "needs" if len(failed) == 1 else "need"
        raise Failure(f"{len(failed)} of the findings above {need} your attention: {', '.join(failed)}")
