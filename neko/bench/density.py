"""The density benchmark: what a conversation costs, how late its sound is, and how many of them a core carries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import product
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from neko.bench.load.order import MicFrames, Work
from neko.bench.servers import FLOOR, NEKO, PIPECAT_PEER, open_servers

if TYPE_CHECKING:
    from neko.bench.servers import Servers

# Beyond that share of a window the server's figures are not its own: somebody else was on its core.
DISTURBED = 0.02
WHOLE = 0.999  # of what was sent has arrived: a block at either edge of the window may be counted on the other side


@frozen
class Window:
    """One server under one load, for some seconds; or the medians of several such windows."""

    server: str
    sessions: int
    work: Work
    frames: MicFrames
    cpu_percent: float  # of a core, for each session
    down_ms: tuple[float, float, float]  # p50, p99, max of what the server adds to speech beyond resampling it
    up_ms: tuple[float, float, float]  # and to the microphone, joining and resampling included
    delivered: float  # share of speech and of the microphone, the smaller one
    loop_ms: tuple[float, float]  # how late its event loop was: p99, max
    waited: float  # share of the time that it could have run and others had its core
    late_ms: float  # by how much the load itself was late, p99
    load: float  # share of its core that the load had
    disturbed: int = 0  # windows in which the server had to wait too long for its core
    windows: int = 1
    failed: str = ""

    @property
    def whole(self) -> bool:
        """Everything was delivered."""
        return not self.failed and self.delivered >= WHOLE


@frozen
class Plan:
    sessions: Sequence[int] = (1, 10, 25, 50, 75, 100)
    rounds: int = 5
    seconds: float = 5.0
    work: Work = Work.BOTH
    frames: Sequence[MicFrames] = (MicFrames.BASE64,)


async def measure_density(
    plan: Plan, names: Sequence[str], *, on_window: Callable[[Window], None], on_missing: Callable[[str, str], None]
) -> list[Window]:
    """Medians of all rounds; within a round the servers take turns at each number of sessions.

    A server that did not deliver everything is not asked to carry more. Raises `NothingMeasured`.
    """
    windows: list[Window] = []
    async with open_servers(names, max(plan.sessions)) as servers:
        for name, why in servers.missing.items():
            on_missing(name, why)
        full: dict[tuple[str, MicFrames], int] = {}  # the sessions with which a server did not deliver everything
        for turn, sessions, frames, place in product(
            range(plan.rounds), plan.sessions, plan.frames, range(len(servers.names))
        ):
            # Each round begins with another one: whatever drifts during a round meets all of them.
            name = servers.names[(turn + place) % len(servers.names)]
            if sessions > full.get((name, frames), sessions):
                continue
            window = await measure_window(servers, name, sessions, frames, plan)
            on_window(window)
            windows.append(window)
            if not window.whole:
                full[name, frames] = min(sessions, full.get((name, frames), sessions))
    return list(medians(windows))


async def measure_window(servers: Servers, name: str, sessions: int, frames: MicFrames, plan: Plan) -> Window:
    """One server under one load. Raises `NothingMeasured`; what the server failed at stands in `failed`."""
    got = await servers.have("talk", name, sessions=sessions, seconds=plan.seconds, work=plan.work, frames=frames)
    if "error" in got:
        never = (inf, inf, inf)
        return Window(
            server=name,
            sessions=sessions,
            work=plan.work,
            frames=frames,
            cpu_percent=inf,
            down_ms=never,
            up_ms=never,
            delivered=0.0,
            loop_ms=(inf, inf),
            waited=0.0,
            late_ms=0.0,
            load=0.0,
            failed=got["error"],
        )
    waited = got["waited_s"] / got["seconds"]
    return Window(
        server=name,
        sessions=sessions,
        work=plan.work,
        frames=frames,
        cpu_percent=got["ran_s"] / got["seconds"] / sessions * 100,
        down_ms=_quantiles(got["down"]),
        up_ms=_quantiles(got["up"]),
        delivered=min(got["down"]["delivered"], got["up"]["delivered"]),
        loop_ms=(got["loop"]["p99_ms"], got["loop"]["max_ms"]),
        waited=waited,
        late_ms=got["late_p99_ms"],
        load=got["load_ran_s"] / got["seconds"],
        disturbed=int(waited > DISTURBED),
    )


def medians(windows: Iterable[Window]) -> Iterator[Window]:
    """One for each server and number of sessions, in the order in which they came first."""

    rounds: dict[tuple[int, str, MicFrames], list[Window]] = {}
    for window in windows:
        rounds.setdefault((window.sessions, window.server, window.frames), []).append(window)
    for which in sorted(rounds, key=lambda each: each[0]):
        yield _median(rounds[which])


def _median(of: Sequence[Window]) -> Window:
    def middle(pick: Callable[[Window], Any]) -> Any:
        return np.median([pick(each) for each in of], axis=0).tolist()

    first = of[0]
    return Window(
        server=first.server,
        sessions=first.sessions,
        work=first.work,
        frames=first.frames,
        cpu_percent=middle(lambda each: each.cpu_percent),
        down_ms=tuple(middle(lambda each: each.down_ms)),
        up_ms=tuple(middle(lambda each: each.up_ms)),
        delivered=min(each.delivered for each in of),
        loop_ms=tuple(middle(lambda each: each.loop_ms)),
        waited=middle(lambda each: each.waited),
        late_ms=middle(lambda each: each.late_ms),
        load=middle(lambda each: each.load),
        disturbed=sum(each.disturbed for each in of),
        windows=len(of),
        failed=next((each.failed for each in of if each.failed), ""),
    )


# --- the bars ----------------------------------------------------------------------------------------------------

ADDED_MS = 20.0  # p99 of what a full server may add to speech: half a chunk, which any client's cushion covers


@frozen
class Bar:
    """What neko is to reach, and what it has reached; `figure` is None when it was not measured."""

    name: str
    figure: float | None
    most: float

    @property
    def reached(self) -> bool | None:
        return None if self.figure is None else self.figure <= self.most


def bars(rows: Sequence[Window]) -> list[Bar]:
    """Ratios within one run."""
    at = {(row.server, row.sessions): row for row in rows if row.frames is MicFrames.BASE64}
    lists = {row.sessions: row for row in rows if row.server == NEKO and row.frames is MicFrames.INTEGERS}

    def cpu(sessions: int, other: str) -> float | None:
        return _ratio(at.get((NEKO, sessions)), at.get((other, sessions)), _cpu)

    def down(place: int) -> float | None:
        return _ratio(at.get((NEKO, 50)), at.get((FLOOR, 50)), lambda row: row.down_ms[place])

    at_50 = at.get((NEKO, 50))
    return [
        Bar("CPU per session at 25, × relay", cpu(25, FLOOR), 1.0),
        Bar("CPU per session at 50, × relay", cpu(50, FLOOR), 1.0),
        Bar("CPU per session at 10, × pipecat", cpu(10, PIPECAT_PEER), 0.5),
        Bar("CPU per session at 25, × pipecat", cpu(25, PIPECAT_PEER), 0.5),
        Bar("speech down at 50, p50, × relay", down(0), 1.5),
        Bar("speech down at 50, p99, × relay", down(1), 2.0),
        Bar("microphone up at 50, p50, ms", _up(at_50), 30.0),
        Bar("CPU at 50 with lists of integers, × base64", _ratio(lists.get(50), at_50, _cpu), 1.5),
        _carries("75 sessions: p99 added, ms", at.get((NEKO, 75))),
        _carries("100 sessions: p99 added, ms", at.get((NEKO, 100))),
        Bar("sessions that the relay carries in time, × neko's", _ratio_in_time(at.values()), 1.0),
    ]


def _carries(name: str, row: Window | None) -> Bar:
    if row is None:
        return Bar(name, None, ADDED_MS)
    return Bar(name, row.down_ms[1] if row.whole else inf, ADDED_MS)


def _ratio_in_time(rows: Collection[Window]) -> float | None:
    """How many sessions a core carries is a matter of the core; on the same one the floor is to carry no more."""
    in_time = {(row.server, row.sessions) for row in rows if row.whole and row.down_ms[1] <= ADDED_MS}
    ours, theirs = (max((n for name, n in in_time if name == server), default=0) for server in (NEKO, FLOOR))
    if {NEKO, FLOOR} - {row.server for row in rows} or ours == theirs == max(row.sessions for row in rows):
        return None  # whoever carries all there were may carry more
    return theirs / ours if ours else inf


def _ratio(ours: Window | None, theirs: Window | None, pick: Callable[[Window], float]) -> float | None:
    """Who does not deliver everything reaches nothing, and is nothing to be compared with."""
    if ours is None or theirs is None or not theirs.whole:
        return None
    return pick(ours) / pick(theirs) if ours.whole else inf


def _up(row: Window | None) -> float | None:
    if row is None:
        return None
    return row.up_ms[0] if row.whole else inf


def _cpu(row: Window) -> float:
    return row.cpu_percent


def _quantiles(of: dict[str, float | None]) -> tuple[float, float, float]:
    """Infinite where nothing arrived, for which JSON has no number."""
    p50, p99, most = (inf if each is None else each for each in (of["p50"], of["p99"], of["max"]))
    return p50, p99, most
