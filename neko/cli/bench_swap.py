"""`neko bench swap`: its options, its table, and what it says about the machine."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import click
import orjson
import trio

from neko.bench.errors import NothingMeasured
from neko.bench.peers import PIPECAT_HANDOVER, command
from neko.bench.swap import DIALS_MS, Size, measure_swaps
from neko.bench.swap_report import Quantiles, Row, as_json, missed
from neko.cli.bench_print import machine, print_table
from neko.cli.failures import Failure, in_one_sentence
from neko.cli.logs import LogStyle, configure_logs
from neko.cli.options import log_option
from neko.cli.process import run_until_stopped
from neko.cli.progress import ProgressBars
from neko.testing.tagged import BLOCK_MS

if TYPE_CHECKING:
    from neko.bench.swap_count import Fate

HEADINGS = (
    "swap",
    "dial",
    "server",
    "n",
    "person: lost, doubled, reordered",
    "lost per swap",
    "speech: lost, doubled, reordered",
    "no answer",
    "broken off",
    "seam",
    "heard",
    "provider late",
    "reason to swapped",
    "answer after swap",
    "answer without",
    "left open",
    "late",
    "kept waiting",
)


@click.command(short_help="Replace model sessions under running conversations, and count what it costs.")
@click.option("--swaps", type=click.IntRange(1), default=200, show_default=True, help="Of each server in each row.")
@click.option(
    "--conversations",
    type=click.IntRange(1),
    default=17,  # three swaps in each: 200 take four rounds
    show_default=True,
    help="At a time, with one server after the other.",
)
@click.option(
    "--dial",
    "dials_ms",
    type=click.IntRange(0),
    multiple=True,
    default=DIALS_MS,
    show_default=True,
    metavar="MS",
    help="Handshake of the provider; can be repeated.",
)
@click.option("--pipecat/--no-pipecat", default=True, show_default=True, help="Measure pipecat's helper as well.")
@click.option("--json", "as_json_object", is_flag=True, help="Print the figures as one JSON object.")
@click.option("--markdown", is_flag=True, help="Print the table as Markdown.")
@log_option
def swap(
    swaps: int,
    conversations: int,
    dials_ms: tuple[int, ...],
    pipecat: bool,
    as_json_object: bool,
    markdown: bool,
    log_style: str,
) -> None:
    """Model sessions replaced under running conversations: at a turn's end, by force, and after crashes.

    Provider, server and peers are processes of their own on the loopback interface. Within a row the servers take
    turns, a round of conversations each; on Linux the server has a core for itself. The microphone runs all the time
    and each 10 ms of sound, both ways, carry a number.

    Per server: blocks of the person's utterances that did not arrive in one utterance that a session committed and
    answered, or in more than one, or out of order; the same of the replies' speech at the client; the longest silence
    within a reply that a swap touches (p50 / p99, as all times); the time from the reason to `neko.session_swapped`;
    the wait for the next answer with and without a swap. "relay" closes the old session before it opens the new one;
    "pipecat" is its hand-over helper, installed from PyPI into the user's cache folder.

    The longest silence is told three times. "heard": what a client hears that plays each piece as it comes. "provider
    late": what it would hear of what left the provider, were there no server between; the provider notes when it has
    written each event. "seam": what the server put in, which the bar is about: the silence, had each event left the
    provider on time and taken as long on its way as it did.

    "late" is how late the client's own loop woke (p99), "kept waiting" for how much of the time others had the core
    that the server could have used (Linux): above 20 ms or 5 % the machine does other work, and the times mean little.

    Exit status 0 when neko's rows reach every bar, 1 otherwise.
    """
    style = LogStyle(log_style)
    configure_logs(style, logging.WARNING)
    about = machine()
    with in_one_sentence(style), ProgressBars() as progress:
        peer = trio.run(_pipecat) if pipecat else None
        size = Size(swaps, conversations, dials_ms)
        rows = run_until_stopped(partial(measure_swaps, on_row=_note, on_progress=progress), size, peer)
    if as_json_object:
        figures = {"machine": about, "rows": [as_json(row) for row in rows]}
        click.echo(orjson.dumps(figures, option=orjson.OPT_INDENT_2))
    else:
        click.echo(about)
        print_table(
            HEADINGS, [_cells(row) for row in rows], title="milliseconds; times as p50 / p99", markdown=markdown
        )
    not_reached = list(missed(rows))
    if not_reached:
        raise Failure(f"not reached: {'; '.join(not_reached)}")


async def _pipecat() -> list[str] | None:
    try:
        return await command(PIPECAT_HANDOVER)
    except NothingMeasured as reason:
        click.echo(f"without pipecat: {reason}", err=True)
        return None


def _note(row: Row) -> None:
    click.echo("  ".join(_cells(row)), err=True)


def _cells(row: Row) -> list[str]:
    return [
        row.kind,
        str(row.dial_ms),
        row.server,
        str(row.swaps),
        _fate(row.person),
        _times(row.person_lost_ms),
        _fate(row.speech),
        str(row.unanswered),
        str(row.broken),
        _times(row.seam_ms),
        _times(row.heard_ms),
        _times(row.provider_ms),
        _times(row.swapped_ms),
        _times(row.answer_after_swap_ms),
        _times(row.answer_ms),
        str(row.left_open),
        f"{row.late_p99_ms:.0f}",
        f"{row.kept_waiting:.1%}",
    ]


def _fate(fate: Fate) -> str:
    return " / ".join(f"{blocks * BLOCK_MS:,}" for blocks in (fate.lost, fate.doubled, fate.reordered))


def _times(times: Quantiles) -> str:
    if times.p50 is None or times.p99 is None:
        return "–"
    return f"{times.p50:.0f} / {times.p99:.0f}"
