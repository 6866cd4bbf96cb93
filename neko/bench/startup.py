"""From the start of a `neko serve` process to its readiness."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import httpx
import trio
from attrs import frozen

from neko.bench.errors import NothingMeasured

if TYPE_CHECKING:
    from pathlib import Path

READY_WITHIN_S = 120.0  # ten times the bar; the join of the weights on the very first start fits in
STOPPED_WITHIN_S = 15.0  # server.grace_s and the way out
_READY = re.compile(rb"is ready: talk at (\S+)")


@frozen
class Startup:
    ready_s: float  # process start to GET /health 200
    stopped_s: float  # SIGTERM to exit


async def measure_startup(config: Path) -> Startup:
    """Starts a server on a free port in a process of its own, asks for its health, and stops it.

    Raises:
        NothingMeasured: it ended by itself, was not ready in two minutes, or did not exit with 0.
    """
    command = [sys.executable, "-m", "neko.cli", "serve", "--port", "0", "--config", str(config)]
    begin = trio.current_time()
    async with trio.open_nursery() as nursery:
        run = partial(trio.run_process, command, stdout=subprocess.PIPE, check=False)
        process: trio.Process = await nursery.start(run)
        ready_s = await _until_ready(process) - begin
        terminated_at = trio.current_time()
        process.terminate()
        with trio.move_on_after(STOPPED_WITHIN_S):
            await process.wait()
        stopped_s = trio.current_time() - terminated_at
        # Leaving early would wait for a process that does not end.
        nursery.cancel_scope.cancel()
    if process.returncode != 0:
        raise NothingMeasured(f"`neko serve` ended with status {process.returncode} after SIGTERM")
    return Startup(ready_s, stopped_s)


async def _until_ready(process: trio.Process) -> float:
    with trio.move_on_after(READY_WITHIN_S):
        url = await _announced_url(process)
        async with httpx.AsyncClient() as client:
            health = await client.get(f"{url}/health")
        if health.status_code == httpx.codes.OK:
            return trio.current_time()
    raise NothingMeasured(f"`neko serve` was not ready within {READY_WITHIN_S:.0f} s")


async def _announced_url(process: trio.Process) -> str:
    # The announcement rather than polls of /health, which would cost the server time and us precision.
    assert process.stdout is not None
    output = b""
    async for piece in process.stdout:
        output += piece
        if found := _READY.search(output):
            return found[1].decode()
    raise NothingMeasured("`neko serve` ended before it was ready")
