"""Starts and memory: what comes before the first word, and what a session that waits or talks takes up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from neko.bench.cores import memory_kib
from neko.bench.density import Bar
from neko.bench.errors import NothingMeasured
from neko.bench.load.order import Work
from neko.bench.servers import NEKO, open_servers

if TYPE_CHECKING:
    from neko.bench.servers import Servers

TALK_S = 6.0  # before memory is read: three times as long as anything that is kept for a talking session lasts
SETTLE_S = 2.0  # for what a start leaves behind to be over
CONNECTS, AT_A_TIME = 1_000, 50


@frozen
class Starts:
    """Simultaneous starts, from `start_session` to `session_started`; the provider answers at once."""

    server: str
    sessions: int
    p50_ms: float
    p99_ms: float
    rounds: int
    left_open: int


@frozen
class Memory:
    """KiB that a server's process has grown by, for each session; and once in all after many that came and went."""

    server: str
    base: float  # of the process, when it had a few sessions and they were over
    idle: float  # started, with the model session that waits beside it; nobody says anything
    talking: float
    connects: float  # in all, after 1,000 clients


async def measure_starts(
    counts: Sequence[int],
    rounds: int,
    names: Sequence[str],
    *,
    on_row: Callable[[Starts], None],
    on_missing: Callable[[str, str], None],
) -> list[Starts]:
    """All rounds' starts together. Raises `NothingMeasured`."""
    rows = []
    async with open_servers(names, max(counts)) as servers:
        for name, why in servers.missing.items():
            on_missing(name, why)
        waits: dict[tuple[str, int], list[float]] = {}
        open_ones: dict[tuple[str, int], int] = {}
        for _ in range(rounds):
            for count in counts:
                for name in servers.names:
                    got = await servers.have("starts", name, sessions=count)
                    waits.setdefault((name, count), []).extend(got.get("waits_ms", [inf]))
                    open_ones[name, count] = open_ones.get((name, count), 0) + got.get("left_open", 0)
        for (name, count), all_ms in sorted(waits.items(), key=lambda each: each[0][1]):
            p50, p99 = np.percentile(all_ms, [50, 99]).tolist()
            rows.append(Starts(name, count, p50, p99, rounds, open_ones[name, count]))
            on_row(rows[-1])
    return rows


async def measure_memory(
    sessions: int,
    names: Sequence[str],
    *,
    on_row: Callable[[Memory], None],
    on_missing: Callable[[str, str], None],
) -> list[Memory]:
    """One server after the other, each after a few sessions that are over. Raises `NothingMeasured`."""
    rows = []
    async with open_servers(names, max(sessions, AT_A_TIME)) as servers:
        for name, why in servers.missing.items():
            on_missing(name, why)
        for name in servers.names:
            rows.append(await _memory(servers, name, sessions))
            on_row(rows[-1])
    return rows


async def _memory(servers: Servers, name: str, sessions: int) -> Memory:
    pid = servers.pid(name)
    await _do(servers, "talk", name, sessions=AT_A_TIME // 10, seconds=1.0)
    base = memory_kib(pid)
    idle = await _held(servers, name, sessions, Work.IDLE, SETTLE_S)
    before = memory_kib(pid)
    talking = await _held(servers, name, sessions, Work.BOTH, TALK_S)
    after = memory_kib(pid)
    for _ in range(CONNECTS // AT_A_TIME):
        await _do(servers, "come", name, sessions=AT_A_TIME)
        await _do(servers, "go", name, sessions=AT_A_TIME)
    return Memory(name, base, (idle - base) / sessions, (talking - before) / sessions, memory_kib(pid) - after)


async def _held(servers: Servers, name: str, sessions: int, work: Work, seconds: float) -> float:
    await _do(servers, "come", name, sessions=sessions, work=work)
    await _do(servers, "begin", name, sessions=sessions, work=work, seconds=seconds)
    held = memory_kib(servers.pid(name))
    await _do(servers, "go", name, sessions=sessions)
    return held


async def _do(servers: Servers, do: str, name: str, **what: Any) -> dict[str, Any]:
    got = await servers.have(do, name, **what)
    if "error" in got:
        raise NothingMeasured(f"{name} with {what['sessions']} sessions: {got['error']}")
    return got


def start_bars(rows: Sequence[Starts]) -> list[Bar]:
    at_50 = next((row for row in rows if row.server == NEKO and row.sessions == 50), None)
    return [Bar("50 simultaneous starts, p50, ms", at_50.p50_ms if at_50 else None, 60.0)]


def memory_bars(rows: Sequence[Memory]) -> list[Bar]:
    ours = next((row for row in rows if row.server == NEKO), None)
    return [
        Bar("memory per idle session, KiB", ours.idle if ours else None, 150.0),
        Bar("memory per talking session, KiB", ours.talking if ours else None, 400.0),
    ]
