"""What the peers of `neko bench density` have in common: a port, a line when it is open, the loop's delay."""

from __future__ import annotations

import asyncio
import json
import math
import os
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY_S = 0.02  # as long as a frame of the microphone
FAREWELL_S = 2  # for what the clients are still told; whoever started a peer kills it after five


class LoopDelay:
    """How late the event loop wakes a task that sleeps: what every frame waits besides its own work."""

    def __init__(self) -> None:
        self._late_ms: list[float] = []

    async def sample(self) -> None:
        while True:
            # Not the loop's own time: uvloop reads the clock once a turn, so that it hides what the turn takes.
            due = time.perf_counter() + EVERY_S
            await asyncio.sleep(EVERY_S)
            self._late_ms.append(max(0.0, time.perf_counter() - due) * 1000)

    def take(self) -> dict[str, float]:
        """Of all samples since the last call; zeros where there are none."""
        late, self._late_ms = sorted(self._late_ms) or [0.0], []
        return {"p50_ms": _quantile(late, 0.5), "p99_ms": _quantile(late, 0.99), "max_ms": late[-1]}


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Peer(uvicorn.Server):
    """Tells where it listens, and how late its loop is whenever it is asked."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        assert sockets is not None
        delay = LoopDelay()
        self._sampling = asyncio.create_task(delay.sample())
        _answer(asyncio.get_running_loop(), {"delay": lambda: _say(json.dumps(delay.take()))})
        _say(f"ready: talk at ws://127.0.0.1:{sockets[0].getsockname()[1]}")


def _answer(loop: asyncio.AbstractEventLoop, answers: dict[str, Callable[[], Any]]) -> None:
    def listen() -> None:
        # A file of its own, without a buffer: a daemon thread that holds the lock of `sys.stdin` aborts the exit.
        with open(os.dup(0), "rb", buffering=0) as questions:
            for line in questions:
                if answer := answers.get(line.decode().strip()):
                    # The loop is closed when the question comes with the farewell.
                    with suppress(RuntimeError):
                        loop.call_soon_threadsafe(answer)

    # A thread, since a loop can wait for a pipe only, and standard input may be a terminal or nothing at all.
    threading.Thread(target=listen, daemon=True).start()


def _say(line: str) -> None:
    # In one write, also where Python does not buffer: whoever reads may not wait for the end of a line.
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def serve(app: FastAPI) -> None:
    """Serves on a free port of 127.0.0.1 until SIGTERM or SIGINT.

    The web server is the same for every peer: uvicorn as `uvicorn[standard]` comes, with uvloop and without its log.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=FAREWELL_S)
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal once more when it has shut down
        Peer(config).run([listener])
