"""`neko bench`: the benchmarks, as commands."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click
import orjson
from rich.console import Console
from rich.table import Table

from neko.cli.bench_load import agents, density, latency, memory, start
from neko.cli.bench_swap import swap
from neko.cli.failures import Failure, in_one_sentence
from neko.cli.logs import LogStyle, configure_logs
from neko.cli.options import log_option
from neko.cli.process import run_until_stopped
from neko.cli.progress import ProgressBars

if TYPE_CHECKING:
    from neko.bench.bars import Bar
    from neko.bench.conversation import MeasuredTurn


@click.group()
def bench() -> None:
    """Measure this machine against the bars of the project."""


for command in (swap, density, latency, start, memory, agents):
    bench.add_command(command)


@bench.command()
@click.option(
    "--speech",
    "folder",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of recorded questions, and a README.md or *.txt with a line such as - `a.wav`: Hello. for each.",
)
@click.option("--turns", type=click.IntRange(1), default=10, show_default=True, help="Questions to ask.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
@log_option
def voice(folder: Path, turns: int, as_json: bool, log_style: str) -> None:
    """One spoken conversation with the built-in configuration, in real time.

    Voice to voice is the time from the true end of speech in the recording (the last 10 ms block less than 40 dB
    below its loudest) to the arrival of the first sound of the answer at the client. The startup is measured on a
    process of its own. The conversation runs client and server on one loop, so its delay is the pessimistic figure.

    Exit status 0 when every bar is reached, 1 otherwise.
    """
    try:
        # Here, because nobody but this command needs jiwer.
        from neko.bench.bars import bars
        from neko.bench.voice import measure_voice
    except ModuleNotFoundError as error:
        raise Failure(f"the benchmark needs one more package: pip install {error.name}") from None
    configure_logs(LogStyle(log_style), logging.WARNING)
    with in_one_sentence(LogStyle(log_style)), ProgressBars() as progress:
        got = run_until_stopped(partial(measure_voice, on_progress=progress, on_turn=_note), folder, turns)
    report = list(bars(got))
    if as_json:
        click.echo(orjson.dumps(attrs.asdict(got), option=orjson.OPT_INDENT_2))
    else:
        _print(report)
    missed = [bar.name for bar in report if not bar.reached]
    if missed:
        raise Failure(f"not reached: {', '.join(missed)}")


def _note(turn: MeasuredTurn) -> None:
    waited = f"{turn.voice_to_voice_s:.3f} s (first word {turn.first_word_s:.3f} s)"
    click.echo(f"{turn.question}  {waited}  heard: {turn.heard}  answer: {turn.answer}", err=True)


def _print(report: list[Bar]) -> None:
    table = Table("", "measured", "bar", "reached")
    for bar in report:
        table.add_row(bar.name, bar.figure, bar.wanted, "[green]yes[/]" if bar.reached else "[red]no[/]")
    Console().print(table)
