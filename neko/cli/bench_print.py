"""What the benchmark commands have in common: the machine's line, tables, and the end when a bar is missed."""

from __future__ import annotations

import os
import platform
from itertools import pairwise
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from neko.cli.failures import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neko.bench.density import Bar

COLUMNS = 160  # of a table that goes into a file or a pipe, where rich would make do with 80


def machine() -> str:
    """What was measured on, and how busy it was before."""
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    cores = f"{os.cpu_count()} cores {platform.machine()}"
    return f"{cores}, {platform.system()} {platform.release()}, Python {platform.python_version()}{load}"


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, title: str, markdown: bool) -> None:
    """One line a row; those whose first cells differ are set apart."""
    if markdown:
        for cells in (headings, ["---"] * len(headings), *rows):
            click.echo(f"| {' | '.join(cells)} |")
        return
    table = Table(*headings, title=title)
    for before, row in pairwise([rows[0], *rows] if rows else []):
        if before[0] != row[0]:
            table.add_section()
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console = Console(width=COLUMNS)
    console.print(table)


def print_bars(bars: Sequence[Bar], *, markdown: bool) -> None:
    """Raises `Failure` when one was measured and not reached."""
    cells = [
        (bar.name, "–" if bar.figure is None else f"{bar.figure:.2f}", f"≤ {bar.most:g}", _answer(bar.reached))
        for bar in bars
    ]
    print_table(("bar", "measured", "wanted", "reached"), cells, title="", markdown=markdown)
    missed = [bar.name for bar in bars if bar.reached is False]
    if missed:
        raise Failure(f"not reached: {'; '.join(missed)}")


def _answer(reached: bool | None) -> str:
    return {None: "not measured", True: "yes", False: "no"}[reached]
