"""`neko bench density`, `latency`, `start` and `memory`: servers under load, beside their peers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click
import orjson

from neko.bench.agents import Taken, agent_bars, measure_agents
from neko.bench.density import Plan, Window, bars, measure_density
from neko.bench.disturbance import Disturbance, disturbance_bars, measure_disturbance
from neko.bench.load.order import MicFrames, Work
from neko.bench.servers import FLOOR, NEKO, SERVERS
from neko.bench.starts import Memory, Starts, measure_memory, measure_starts, memory_bars, start_bars
from neko.cli.bench_print import machine, print_bars, print_table
from neko.cli.failures import in_one_sentence
from neko.cli.logs import LogStyle, configure_logs
from neko.cli.options import log_option
from neko.cli.process import run_until_stopped

if TYPE_CHECKING:
    from neko.bench.density import Bar

Command = TypeVar("Command", bound=Callable[..., Any])

DENSITY = (
    "sessions", "server", "frames", "CPU per session", "whole core", "delivered", "down p50 / p99 / max",
    "up p50 / p99 / max", "loop late p99 / max", "load late", "load", "kept waiting", "disturbed",
)  # fmt: skip


MESSAGES = ("sent", "in a minute", "late at most", "taken", "refused", "results", "brought again", "expired")


def servers_option(default: Sequence[str]) -> Callable[[Command], Command]:
    return click.option(
        "--server",
        "servers",
        multiple=True,
        type=click.Choice(SERVERS),
        default=default,
        show_default=True,
        help="What is compared; can be repeated. Peers are installed from PyPI into the user's cache folder.",
    )


def output_options(command: Command) -> Command:
    command = click.option("--markdown", is_flag=True, help="Print the tables as Markdown.")(command)
    return click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")(command)


@click.command(short_help="How many conversations one core carries, beside a bare relay and other servers.")
@click.option(
    "--sessions", multiple=True, type=click.IntRange(1, 300), default=Plan().sessions, show_default=True, metavar="N"
)
@click.option("--rounds", type=click.IntRange(1), default=Plan().rounds, show_default=True)
@click.option("--seconds", type=click.FloatRange(1), default=Plan().seconds, show_default=True, help="Of a window.")
@click.option("--work", type=click.Choice(["both", "turns"]), default="both", show_default=True)
@click.option(
    "--frames",
    multiple=True,
    type=click.Choice([each.value for each in MicFrames]),
    default=[each.value for each in Plan().frames],
    show_default=True,
)
@servers_option(SERVERS)
@output_options
@log_option
def density(
    sessions: tuple[int, ...],
    rounds: int,
    seconds: float,
    work: str,
    frames: tuple[str, ...],
    servers: tuple[str, ...],
    as_json: bool,
    markdown: bool,
    log_style: str,
) -> None:
    """What a conversation costs, and how late its sound is: medians of the rounds, within which servers take turns.

    Client, server and provider speak WebSocket on the loopback interface. The microphone runs all the time (20 ms
    frames at 16 kHz, base64, resampled to the provider's 24 kHz); with `--work both` the provider speaks all the time
    as well (40 ms deltas in the GA form, resampled to 48 kHz, base64, captions), with `--work turns` person and
    character take turns of two and three seconds. `--frames integers` are the 10 ms frames of existing clients: lists
    of 480 integers at 48 kHz. On Linux the server has a core for itself; clients and provider are one process on
    another.

    "CPU per session" is the server's time on its core (schedstat). "down" is the time, in milliseconds, from a delta's
    leaving the provider to the arrival of the last sample that a resampler gives out for it: what the server adds.
    "up" is the time from a millisecond's leaving the microphone to its arrival, joining and resampling included. "loop
    late" is how late the server's event loop wakes. "load late" is the load's own (p99), and "load" the share of its
    core that the load had. "kept waiting" is the share of the time that others had the server's core; windows with more
    than 2 % of that are counted as "disturbed". A server that does not deliver everything is not given more sessions.

    "relay" has no session logic: the floor. It and neko freeze what they have imported for the garbage collector;
    FastAPI and pipecat run as their users run them. All resample with soxr HQ, pipecat with VHQ, and neko the
    microphone with LQ, which holds back less.

    Exit status 0 when no bar that was measured is missed, 1 otherwise.
    """
    plan = Plan(sessions, rounds, seconds, Work(work), [MicFrames(each) for each in frames])
    measure = partial(measure_density, on_window=_note(_window), on_missing=_missing)
    rows = _run(measure, log_style, plan, servers)
    of = bars(rows) if plan.work is Work.BOTH else []
    _report(rows, (DENSITY, _window), of, as_json=as_json, markdown=markdown)


@click.command(short_help="What a server adds to sound at 1, 10 and 50 sessions, and one session to another.")
@click.option("--rounds", type=click.IntRange(1), default=Plan().rounds, show_default=True)
@click.option("--seconds", type=click.FloatRange(1), default=Plan().seconds, show_default=True, help="Of a window.")
@servers_option((NEKO, FLOOR))
@output_options
@log_option
def latency(
    rounds: int, seconds: float, servers: tuple[str, ...], as_json: bool, markdown: bool, log_style: str
) -> None:
    """What is added to sound, as in `neko bench density`; then what one session's start, swap and end do to others.

    The other table: ten sessions talk, an eleventh starts, has its model session swapped and ends, twenty times in
    each round, an event each 250 ms. "latest" is what the latest of the others' deltas took until the next event, and
    "without" the same of moments at which nothing happened; its max is the median of groups of as many moments.

    Exit status 0 when no bar that was measured is missed, 1 otherwise.
    """
    plan = Plan((1, 10, 50), rounds, seconds)
    measure = partial(measure_density, on_window=_note(_window), on_missing=_missing)
    rows = _run(measure, log_style, plan, servers)
    disturbed = _run(partial(measure_disturbance, on_row=_note(_disturbance)), log_style, rounds)
    if not as_json:
        click.echo(machine())
        headings = ("event", "n", "latest p50 / max, ms", "without p50 / max, ms", "adds to max, ms")
        cells = [_disturbance(row) for row in disturbed]
        print_table(headings, cells, title="one session and others", markdown=markdown)
    of = [*bars(rows), *disturbance_bars(disturbed)]
    _report([*rows, *disturbed], (DENSITY, _window), of, as_json=as_json, markdown=markdown)


@click.command(short_help="How long starts take, one and fifty at the same time.")
@click.option("--sessions", multiple=True, type=click.IntRange(1, 300), default=(1, 50), show_default=True, metavar="N")
@click.option("--rounds", type=click.IntRange(1), default=Plan().rounds, show_default=True)
@servers_option(SERVERS)
@output_options
@log_option
def start(
    sessions: tuple[int, ...], rounds: int, servers: tuple[str, ...], as_json: bool, markdown: bool, log_style: str
) -> None:
    """From `start_session` to `session_started`, of clients that are connected and ask at the same moment.

    The provider answers at once, so that what is measured is the server's own.

    Exit status 0 when no bar that was measured is missed, 1 otherwise.
    """
    measure = partial(measure_starts, on_row=_note(_starts), on_missing=_missing)
    rows = _run(measure, log_style, sessions, rounds, servers)
    headings = ("sessions", "server", "rounds", "p50 / p99, ms", "left open")
    _report(rows, (headings, _starts), start_bars(rows), as_json=as_json, markdown=markdown)


@click.command(short_help="What a session takes up, idle and talking, and what a thousand clients leave behind.")
@click.option("--sessions", type=click.IntRange(1, 300), default=50, show_default=True)
@servers_option(SERVERS)
@output_options
@log_option
def memory(sessions: int, servers: tuple[str, ...], as_json: bool, markdown: bool, log_style: str) -> None:
    """Private memory of the server's process (smaps), per session: started and silent, then talking, both ways.

    neko's idle session includes the model session that waits beside it.

    Exit status 0 when no bar that was measured is missed, 1 otherwise.
    """
    measure = partial(measure_memory, on_row=_note(_memory), on_missing=_missing)
    rows = _run(measure, log_style, sessions, servers)
    headings = ("server", "process, MiB", "idle session, KiB", "talking session, KiB", "after 1,000 clients, KiB")
    _report(rows, (headings, _memory), memory_bars(rows), as_json=as_json, markdown=markdown)


@click.command(short_help="What conversations notice of an agent that sends 100,000 messages in a minute.")
@click.option("--messages", type=click.IntRange(1), default=100_000, show_default=True, help="In a minute.")
@click.option("--sessions", type=click.IntRange(1, 300), default=10, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=6, show_default=True)
@click.option("--seconds", type=click.FloatRange(1), default=10.0, show_default=True, help="Of a window.")
@output_options
@log_option
def agents(
    messages: int, sessions: int, rounds: int, seconds: float, as_json: bool, markdown: bool, log_style: str
) -> None:
    """Conversations as in `neko bench density`, without an agent and with one that does not stop talking.

    Quiet and loaded windows take turns. The agent is a process that shares the core of the clients; of twenty messages
    twelve are updates of tasks, four heartbeats, three results for characters that are talked to, and one a result that
    it has sent before. It sends from before a window begins until after it has ended.

    Exit status 0 when no bar is missed, 1 otherwise.
    """
    plan = Plan((sessions,), rounds, seconds)
    rows, taken = _run(partial(measure_agents, on_window=_note(_window)), log_style, plan, messages)
    if not as_json:
        print_table(MESSAGES, [_messages(taken)], title="messages", markdown=markdown)
    _report(rows, (DENSITY, _window), list(agent_bars(rows, taken)), as_json=as_json, markdown=markdown)


def _run(measure: Callable[..., Any], log_style: str, *args: Any) -> Any:
    style = LogStyle(log_style)
    configure_logs(style, logging.WARNING)
    with in_one_sentence(style):
        return run_until_stopped(measure, *args)


def _report(
    rows: Sequence[Any],
    table: tuple[Sequence[str], Callable[[Any], list[str]]],
    of: Sequence[Bar],
    *,
    as_json: bool,
    markdown: bool,
) -> None:
    if as_json:
        values, reached = ([attrs.asdict(each) for each in group] for group in (rows, of))
        figures = {"machine": machine(), "rows": values, "bars": reached}
        click.echo(orjson.dumps(figures, option=orjson.OPT_INDENT_2))
        return
    headings, cells = table
    mine = [row for row in rows if not isinstance(row, Disturbance)]
    click.echo(machine())
    print_table(headings, [cells(row) for row in mine], title="milliseconds", markdown=markdown)
    if of:
        print_bars(of, markdown=markdown)


def _note(cells: Callable[[Any], list[str]]) -> Callable[[Any], None]:
    return lambda row: click.echo("  ".join(cells(row)), err=True)


def _missing(name: str, why: str) -> None:
    click.echo(f"without {name}: {why}", err=True)


def _window(row: Window) -> list[str]:
    if row.failed:
        return [str(row.sessions), row.server, row.frames, row.failed, *["–"] * (len(DENSITY) - 4)]
    return [
        str(row.sessions),
        row.server,
        row.frames,
        f"{row.cpu_percent:.2f} %",
        f"{row.cpu_percent * row.sessions:.0f} %",
        f"{row.delivered:.1%}",
        _times(row.down_ms),
        _times(row.up_ms),
        _times(row.loop_ms),
        f"{row.late_ms:.0f}",
        f"{row.load:.0%}",
        f"{row.waited:.1%}",
        f"{row.disturbed} of {row.windows}",
    ]


def _messages(taken: Taken) -> list[str]:
    counts = (taken.taken, taken.refused, taken.results, taken.again, taken.expired)
    rate, late = f"{taken.per_minute:,.0f}", f"{taken.behind_s * 1000:.0f} ms"
    return [f"{taken.sent:,}", rate, late, *(f"{each:,}" for each in counts)]


def _times(of: Sequence[float]) -> str:
    return " / ".join(f"{each:.1f}" for each in of)


def _disturbance(row: Disturbance) -> list[str]:
    near, quiet = (row.p50_ms, row.max_ms), (row.quiet_p50_ms, row.quiet_max_ms)
    return [row.kind, str(row.events), _times(near), _times(quiet), f"{row.delay_ms:.1f}"]


def _starts(row: Starts) -> list[str]:
    return [str(row.sessions), row.server, str(row.rounds), _times((row.p50_ms, row.p99_ms)), str(row.left_open)]


def _memory(row: Memory) -> list[str]:
    return [row.server, f"{row.base / 1024:.0f}", *(f"{each:,.0f}" for each in (row.idle, row.talking, row.connects))]
