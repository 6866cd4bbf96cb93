"""The swap benchmark: conversations whose model session is replaced under them, with neko and with its peers."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from itertools import count, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import orjson
import trio
from attrs import define, evolve, field, frozen

from neko.bench.errors import NothingMeasured
from neko.bench.pinned import Cores, pin_this_thread, share_cores
from neko.bench.swap_count import Hearing
from neko.bench.swap_play import REASON_MS, Conversation, Kind, Play
from neko.bench.swap_processes import Child, child
from neko.bench.swap_report import NEKO, Row, row
from neko.bench.swap_seam import DELTA_MS
from neko.client import ClientError, connect
from neko.client.microphone import FRAME_S
from neko.telemetry.loop import sample_loop_delay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

RELAY, PIPECAT = "relay", "pipecat"
DIALS_MS = (50, 200, 500)
SILENCE_MS = 200  # after which the provider answers
SWAPS_EACH = 3  # of one conversation: a provider that drops a fourth session within a minute is given up
TURNS_AT_MOST = 8
STAGGER_S = 0.037  # between the conversations, so that they do not all speak at once; no divisor of a frame
CELL_WITHIN_S = 600.0  # a cell of 200 swaps takes a minute; this ends one that hangs
ANY = "tcp://127.0.0.1:*"  # any free port
KEY_VARIABLE = "NEKO_BENCH_KEY"


@frozen
class Size:
    swaps: int  # of each server in each cell
    conversations: int  # at the same time with each server
    dials_ms: Sequence[int] = DIALS_MS


@define
class Lane:
    """The conversations with one server, a round of several at a time."""

    server: str
    process: Child
    play: Play
    left: int  # conversations that have not begun
    late_s: list[float] = field(factory=list)  # the client's loop, in this lane's rounds
    lasted_s: float = 0.0  # its rounds
    kept_waiting_s: float = 0.0  # in them: the server could have run, and others had its core
    done: list[Conversation] = field(factory=list)
    broken: int = 0  # conversations that the server broke off


async def measure_swaps(
    size: Size,
    pipecat: Sequence[str] | None,
    *,
    on_row: Callable[[Row], None],
    on_progress: Callable[[str, int, int], None],
) -> list[Row]:
    """Every kind of swap with every dial time; within a cell the servers take turns, a round of conversations each.

    `pipecat` is what starts its peer, or None: then its rows are left out.

    Raises:
        NothingMeasured: a process did not come up, or a cell did not end.
    """
    rows: list[Row] = []
    cores = share_cores()
    pin_this_thread(cores.load)
    cells = list(product(Kind, size.dials_ms))
    for number, (kind, dial_ms) in enumerate(cells):
        on_progress("swaps", number, len(cells))
        with trio.move_on_after(CELL_WITHIN_S) as patience:
            cell = await _measure_cell(script(kind, dial_ms), size, pipecat, cores)
        if patience.cancelled_caught:
            raise NothingMeasured(f"{kind}, dial {dial_ms} ms: not done in {CELL_WITHIN_S:.0f} s")
        for each in cell:
            on_row(each)
        rows += cell
    on_progress("swaps", len(cells), len(cells))
    return rows


def script(kind: Kind, dial_ms: int) -> Play:
    """Utterances are so long that a session that is dialled in the middle of one still hears its end."""
    middle = kind in {Kind.NOW, Kind.CRASH}
    return Play(
        kind=kind,
        dial_ms=dial_ms,
        utterance_ms=300 + dial_ms if middle else 300,
        response_ms=300 + dial_ms if kind is Kind.REPLY else 200,
        swaps=SWAPS_EACH,
        turns_at_most=TURNS_AT_MOST,
        settle_s=0.0,
    )


def _for_pipecat(play: Play) -> Play:
    # Its monitor looks once a second, and forces at the second look: then the person is in the middle of an utterance.
    if play.kind is not Kind.NOW:
        return play
    return evolve(play, swaps=1, turns_at_most=1, settle_s=2.0 - REASON_MS / 1000)


async def _measure_cell(play: Play, size: Size, pipecat: Sequence[str] | None, cores: Cores) -> list[Row]:
    behaviour = {
        "silence_ms": SILENCE_MS,
        "response_ms": play.response_ms,
        "paced": True,
        "delta_ms": DELTA_MS,
        "handshake_delay_s": play.dial_ms / 1000,
    }
    async with AsyncExitStack() as processes:
        command = [*_module("neko.bench.swap_provider"), orjson.dumps(behaviour).decode()]
        provider = await processes.enter_async_context(child("the provider", command, cores.load))
        numbers = count()
        lanes = await _lanes(processes, provider.url, play, size, pipecat, cores)
        blocks = play.utterance_ms // 10

        def take(many: int) -> range:
            first = next(numbers) * blocks
            return range(first, first + many)

        def upset(block: int) -> None:
            provider.tell(f"drop {block}")

        while any(lane.left for lane in lanes):
            for lane in lanes:
                await _play_round(lane, size.conversations, take, upset)
        provider.tell("record")
        hearings = [_hearing(each) for each in orjson.loads(await provider.line())]
    return [
        evolve(
            row(lane.server, lane.play, lane.done, hearings),
            broken=lane.broken,
            late_p99_ms=round(float(np.percentile(lane.late_s, 99)) * 1000, 1),
            kept_waiting=round(lane.kept_waiting_s / lane.lasted_s, 3),
        )
        for lane in lanes
    ]


async def _lanes(
    processes: AsyncExitStack,
    provider_url: str,
    play: Play,
    size: Size,
    pipecat: Sequence[str] | None,
    cores: Cores,
) -> list[Lane]:
    def lane(server: str, process: Child, play: Play) -> Lane:
        return Lane(server, process, play, -(-size.swaps // play.swaps))

    config = processes.enter_context(_configuration(provider_url, size.conversations))
    serve = [*_module("neko.cli"), "serve", "--port", "0", "--config", str(config)]
    house = await processes.enter_async_context(child("neko", serve, cores.server))
    lanes = [lane(NEKO, house, play)]
    bare = [*_module("neko.bench.swap_relay"), provider_url]
    relay = await processes.enter_async_context(child("the relay", bare, cores.server))
    lanes.append(lane(RELAY, relay, play))
    if pipecat is not None and play.kind in {Kind.TURN, Kind.NOW}:
        way = "forced" if play.kind is Kind.NOW else "planned"
        theirs = [*pipecat, provider_url, way]
        peer: Child = await processes.enter_async_context(child("pipecat", theirs, cores.server))
        lanes.append(lane(PIPECAT, peer, _for_pipecat(play)))
    return lanes


async def _play_round(lane: Lane, places: int, take: Callable[[int], range], upset: Callable[[int], None]) -> None:
    """As many conversations at the same time as there are places, as long as some are left."""
    several = min(places, lane.left)
    lane.left -= several
    begun, waited_s = trio.current_time(), lane.process.kept_waiting_s
    with _no_collection():
        await _play_at_once(lane, several, take, upset)
    lane.lasted_s += trio.current_time() - begun
    lane.kept_waiting_s += lane.process.kept_waiting_s - waited_s


@contextmanager
def _no_collection() -> Iterator[None]:
    """The client's own garbage is looked for before: what holds up the client would count as the server's silence."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def _play_at_once(lane: Lane, several: int, take: Callable[[int], range], upset: Callable[[int], None]) -> None:
    async with trio.open_nursery() as sampling:
        sampling.start_soon(partial(sample_loop_delay, FRAME_S, into=lane.late_s))
        async with trio.open_nursery() as nursery:
            for place in range(several):
                nursery.start_soon(_talk, lane, place, take, upset)
        sampling.cancel_scope.cancel()


async def _talk(lane: Lane, place: int, take: Callable[[int], range], upset: Callable[[int], None]) -> None:
    await trio.sleep(place * STAGGER_S)
    try:
        async with connect(lane.process.url, f"C{place}") as client:
            conversation = Conversation(client, lane.play, take, upset)
            lane.done.append(conversation)
            await conversation.run()
    except* ClientError:
        lane.broken += 1


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", name]


def _hearing(raw: dict[str, object]) -> Hearing:
    return Hearing(**raw)  # type: ignore[arg-type]


@contextmanager
def _configuration(provider_url: str, conversations: int) -> Iterator[Path]:
    """A house with a character for each conversation, since a character has one client."""
    os.environ.setdefault(KEY_VARIABLE, "none")
    with TemporaryDirectory(prefix="neko-bench-") as folder:
        lines = [
            # A literal string: Windows paths have backslashes. No token, whatever this user's own server has.
            f"[server]\ndata_dir = '{folder}'\nauth_token_env = \"NEKO_BENCH_TOKEN\"",
            "[session]\nmax_turns = 0",
            f'[agents]\nsession_pub = "{ANY}"\nresult_pull = "{ANY}"\nanalyze_push = "{ANY}"',
            f'[providers.sim]\nkind = "openai"\nmodel = "{NEKO}"\nurl = "{provider_url}"',
            f'api_key_env = "{KEY_VARIABLE}"',
            *(f'[characters.C{number}]\nprovider = "sim"\ntext_provider = "sim"' for number in range(conversations)),
        ]
        path = Path(folder, "neko.toml")
        path.write_text("\n\n".join(lines), encoding="utf-8")
        yield path
