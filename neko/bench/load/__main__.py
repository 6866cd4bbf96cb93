"""The load generator's process: says where its provider listens, then obeys its standard input, one line at a time."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from typing import Any

import cattrs
import numpy as np
import orjson
from attrs import asdict
from picows import WSUpgradeRequest, ws_connect, ws_create_server

from neko.bench.cores import cpu_time
from neko.bench.load.caller import TURN_S, Caller
from neko.bench.load.order import QUIET, Load, Work
from neko.bench.load.provider import OpenSessions, ProviderSession
from neko.bench.load.record import Floats, Speech, down, latencies, up
from neko.bench.load.wire import start_frame

SETTLE_S = 1.5  # from the last start to the window: turns have their places, caches are warm
GRACE_S = 1.0  # after the window, for what is still on its way
LEFT_WITHIN_S = 5.0  # for a server to close what it had opened
STARTED_WITHIN_S = 30.0
EVENTS = 20  # of each kind
EVENT_EVERY_S = 0.25
BEFORE_S = 0.01  # of an event: what was sent then may still be held up by it
DISTURBANCES = (
    ("a start", start_frame()),
    ("a swap", orjson.dumps({"action": "swap_session", "when": "now", "prompt": "You are somebody else."})),
    ("an end", orjson.dumps({"action": "end_session"})),
)
FEED_BYTES = 1 << 20  # of a line of input


class Generator:
    """All clients of one load, and the provider's sessions that the server opens for them."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._callers: list[Caller] = []
        self._open_ones = OpenSessions()

    def provide(self, _: WSUpgradeRequest) -> ProviderSession:
        return ProviderSession(self._loop.time, self._callers, self._open_ones)

    async def talk(self, load: Load) -> dict[str, Any]:
        """One window: all sessions talk, and everything is timed."""
        await self._come(load)
        await self._start_one_by_one()
        await self._speak(load)
        # With turns, until everybody is somewhere in one.
        await asyncio.sleep(SETTLE_S + (TURN_S if load.work is Work.TURNS else 0))
        gc.collect()
        begin, before, mine = self._loop.time(), cpu_time(load.pid), cpu_time(os.getpid())
        await asyncio.sleep(load.seconds)
        end, used, my_own = self._loop.time(), cpu_time(load.pid).since(before), cpu_time(os.getpid()).since(mine)
        await asyncio.sleep(GRACE_S)
        speeches = [speech for caller in self._callers for speech in caller.speeches]
        late = sorted(each for caller in self._callers for each in caller.late)
        figures = {
            "seconds": end - begin,
            "ran_s": used.ran,
            "waited_s": used.waited,
            "load_ran_s": my_own.ran,
            "down": asdict(down(speeches, begin, end, load.quality)),
            "up": asdict(up((each.microphone for each in self._callers), begin, end, load.frames.ms)),
            "late_p99_ms": late[int(len(late) * 0.99)] * 1000 if late else 0.0,
        }
        return figures | {"left_open": await self._go()}

    async def starts(self, load: Load) -> dict[str, Any]:
        """All start at the same time; milliseconds from each question to its answer."""
        await self._come(load)
        for caller in self._callers:
            caller.start()
        answered = await self._all_started()
        waits = [(at - caller.asked_at) * 1000 for at, caller in zip(answered, self._callers, strict=True)]
        return {"waits_ms": waits, "left_open": await self._go()}

    async def disturb(self, load: Load) -> dict[str, Any]:
        """All but the last talk; the last one starts, has its model session swapped and ends, over and over.

        For each such event the milliseconds that the latest piece of the others' speech took until the next one; and,
        before all of them, the same of as many moments at which nothing happened.
        """
        await self._come(load)
        *others, victim = self._callers
        for caller in others:
            caller.start()
            await asyncio.wait_for(caller.started, STARTED_WITHIN_S)
        for caller in others:
            caller.begin()
        await asyncio.wait_for(asyncio.gather(*(each.paired for each in others)), STARTED_WITHIN_S)
        await asyncio.sleep(SETTLE_S)
        gc.collect()
        moments: list[tuple[float, str]] = []
        for disturbed in (False, True):
            for kind, frame in DISTURBANCES * EVENTS:
                await asyncio.sleep(EVENT_EVERY_S)
                moments.append((self._loop.time(), kind if disturbed else QUIET))
                if disturbed:
                    victim.send(frame)
        await asyncio.sleep(EVENT_EVERY_S)
        sent, late = _joined([speech for caller in others for speech in caller.speeches], load.quality)
        kinds = {kind for _, kind in moments}
        latest = {kind: [_latest(sent, late, at) for at, of in moments if of == kind] for kind in kinds}
        return {"latest_ms": latest, "left_open": await self._go()}

    async def come(self, load: Load) -> dict[str, Any]:
        """All connect, and stay."""
        await self._come(load)
        return {}

    async def begin(self, load: Load) -> dict[str, Any]:
        """Those who came start, and talk if that is their work."""
        await self._start_one_by_one()
        await self._speak(load)
        await asyncio.sleep(load.seconds)
        return {}

    async def go(self, _: Load) -> dict[str, Any]:
        """All leave."""
        return {"left_open": await self._go()}

    async def _come(self, load: Load) -> None:
        self._callers[:] = [Caller(number, load.work, load.frames) for number in range(load.sessions)]
        for number, caller in enumerate(self._callers):
            await ws_connect(lambda caller=caller: caller, f"{load.url}/ws/C{number}", enable_auto_pong=True)

    async def _start_one_by_one(self) -> None:
        for caller in self._callers:
            caller.start()
            await asyncio.wait_for(caller.started, STARTED_WITHIN_S)

    async def _all_started(self) -> list[float]:
        return await asyncio.wait_for(asyncio.gather(*(each.started for each in self._callers)), STARTED_WITHIN_S)

    async def _speak(self, load: Load) -> None:
        for caller in self._callers:
            caller.begin()
        if load.work is not Work.IDLE:
            await asyncio.wait_for(asyncio.gather(*(each.paired for each in self._callers)), STARTED_WITHIN_S)

    async def _go(self) -> int:
        """How many sessions the server left open."""
        for caller in self._callers:
            caller.leave()
        self._callers.clear()
        return await self._open_ones.left(LEFT_WITHIN_S)


def _joined(speeches: list[Speech], quality: str) -> tuple[Floats, Floats]:
    sent, late = (np.concatenate(each) for each in zip(*latencies(speeches, quality), strict=True))
    here = np.isfinite(late)
    return sent[here], late[here] * 1000


def _latest(sent: Floats, late: Floats, at: float) -> float:
    """Of what was sent from shortly before the moment to shortly before the next one."""
    here = (sent >= at - BEFORE_S) & (sent < at - BEFORE_S + EVENT_EVERY_S)
    return float(late[here].max(initial=0.0))


async def main() -> None:
    generator = Generator()
    server = await ws_create_server(generator.provide, "127.0.0.1", 0, enable_auto_pong=True)
    print(f"ready: talk at ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime", flush=True)
    commands = {
        each.__name__: each
        for each in (generator.talk, generator.starts, generator.disturb, generator.come, generator.begin, generator.go)
    }
    lines = asyncio.StreamReader(limit=FEED_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        order = orjson.loads(line)
        try:
            result = await commands[order.pop("do")](cattrs.structure(order, Load))
        except (TimeoutError, OSError) as error:
            result = {"error": f"{type(error).__name__}: {error}"}
            await generator.go(cattrs.structure(order, Load))
        print(orjson.dumps(result).decode(), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
