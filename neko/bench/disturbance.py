"""The latency benchmark's second half: by how much one session's start, swap and end hold up all the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from neko.bench.density import Bar
from neko.bench.errors import NothingMeasured
from neko.bench.load.order import QUIET
from neko.bench.servers import NEKO, open_servers

if TYPE_CHECKING:
    from collections.abc import Callable

SESSIONS = 10  # that are held up; few, so that their own load hides nothing


@frozen
class Disturbance:
    """The latest piece of the others' speech after each event, milliseconds, and after as many moments without one."""

    kind: str
    events: int
    p50_ms: float
    max_ms: float
    quiet_p50_ms: float
    quiet_max_ms: float  # the median of the greatest of as many moments as there were events

    @property
    def delay_ms(self) -> float:
        """What the events add to the latest piece of all."""
        return self.max_ms - self.quiet_max_ms


async def measure_disturbance(rounds: int, *, on_row: Callable[[Disturbance], None]) -> list[Disturbance]:
    """Each kind of event, twenty in a round. Raises `NothingMeasured`."""
    latest: dict[str, list[float]] = {}
    async with open_servers([NEKO], SESSIONS + 1) as servers:
        for _ in range(rounds):
            got = await servers.have("disturb", NEKO, sessions=SESSIONS + 1)
            if "error" in got:
                raise NothingMeasured(f"{NEKO}: {got['error']}")
            for kind, late_ms in got["latest_ms"].items():
                latest.setdefault(kind, []).extend(late_ms)
    quiet = latest.pop(QUIET)
    rows = [_row(kind, late_ms, quiet) for kind, late_ms in sorted(latest.items())]
    for row in rows:
        on_row(row)
    return rows


def _row(kind: str, late_ms: list[float], quiet_ms: list[float]) -> Disturbance:
    # There are more quiet moments than events of one kind, and the greatest of more is greater.
    groups = [quiet_ms[begin : begin + len(late_ms)] for begin in range(0, len(quiet_ms), len(late_ms))]
    return Disturbance(
        kind=kind,
        events=len(late_ms),
        p50_ms=float(np.median(late_ms)),
        max_ms=max(late_ms),
        quiet_p50_ms=float(np.median(quiet_ms)),
        quiet_max_ms=float(np.median([max(group) for group in groups])),
    )


def disturbance_bars(rows: list[Disturbance]) -> list[Bar]:
    return [Bar(f"{row.kind} delays any other by, ms", row.delay_ms, 5.0) for row in rows]
