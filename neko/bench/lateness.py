"""How late a Trio server's event loop is, told to whoever started it."""

from __future__ import annotations

import os
import sys
from functools import partial

import numpy as np
import orjson
import trio

from neko.telemetry.loop import sample_loop_delay

EVERY_S = 0.02  # a microphone frame


async def tell_lateness(url: str) -> None:
    """Says that the server is ready at `url`; then, for each line on standard input, the delays since the last one.

    One line of JSON, in milliseconds. Returns when the input ends.
    """
    print(f"ready: talk at {url}", flush=True)
    late_s: list[float] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(sample_loop_delay, EVERY_S, into=late_s))
        async for _ in trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())):
            print(orjson.dumps(_of(late_s)).decode(), flush=True)
            late_s.clear()
        nursery.cancel_scope.cancel()


def _of(late_s: list[float]) -> dict[str, float]:
    names = ("p50_ms", "p99_ms", "max_ms")
    return dict(zip(names, (np.percentile(late_s or [0.0], [50, 99, 100]) * 1000).tolist(), strict=True))
