"""The latency benchmark's second half: by how much one session's start, swap and end hold up all the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from attrs import frozen

from neko.bench.density import Bar
from neko.bench.errors import NothingMeasured
from neko.bench.servers import NEKO, open_servers

SESSIONS = 10  # that are held up; few, so that their own load hides nothing


@frozen
class Disturbance:
    """Speech of the others, milliseconds later than it was sent: near an event, and far from any."""

    kind: str
    events: int
    near_p99_ms: float
    near_max_ms: float
    quiet_p99_ms: float
    quiet_max_ms: float

    @property
    def delay_ms(self) -> float:
        """What the events add to the latest piece of all."""
        return self.near_max_ms - self.quiet_max_ms


async def measure_disturbance(rounds: int, *, on_row: Callable[[Disturbance], None]) -> list[Disturbance]:
    """Each kind of event, twenty in a round. Near are the 100 ms after one. Raises `NothingMeasured`."""
    near: dict[str, list[float]] = {}
    quiet: list[float] = []
    events: dict[str, int] = {}
    async with open_servers([NEKO], SESSIONS + 1) as servers:
        for _ in range(rounds):
            got: dict[str, Any] = await servers.have("disturb", NEKO, sessions=SESSIONS + 1)
            if "error" in got:
                raise NothingMeasured(f"{NEKO}: {got['error']}")
            quiet += got["quiet_ms"]
            for kind, late_ms in got["near_ms"].items():
                near.setdefault(kind, []).extend(late_ms)
                events[kind] = events.get(kind, 0) + got["events"][kind]
    rows = []
    for kind, late_ms in near.items():
        near_p99, near_max, quiet_p99, quiet_max = (*_quantiles(late_ms), *_quantiles(quiet))
        rows.append(Disturbance(kind, events[kind], near_p99, near_max, quiet_p99, quiet_max))
        on_row(rows[-1])
    return rows


def _quantiles(late_ms: list[float]) -> tuple[float, float]:
    p99, most = np.percentile(late_ms or [0.0], [99, 100]).tolist()
    return p99, most


def disturbance_bars(rows: list[Disturbance]) -> list[Bar]:
    return [Bar(f"{row.kind} delays any other by, ms", row.delay_ms, 5.0) for row in rows]
