"""The density benchmark: how many conversations a server carries on one core, and what it adds to their sound."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import trio
from attrs import asdict, define, frozen

from neko.bench.cores import pin, two_cores
from neko.bench.errors import NothingMeasured
from neko.bench.load.order import Load
from neko.bench.swap_processes import Child, child

WINDOW_WITHIN_S = 120.0  # 100 starts one after the other, and the window; a server that falls behind still ends
ANY = "tcp://127.0.0.1:*"  # any free port
KEY_VARIABLE = "NEKO_BENCH_KEY"


@frozen
class Server:
    """What is compared: its command line without the provider's address."""

    name: str
    command: tuple[str, ...]
    quality: str = "HQ"  # of its soxr stream from 24 to 48 kHz


@define(eq=False)
class Bench:
    """The running processes: one load, pinned to one core, and servers, pinned to the other."""

    load: Child
    servers: dict[str, tuple[Server, Child]]

    async def measure(self, do: str, server: str, **what: Any) -> dict[str, Any]:
        """Has the load do something with one server. Raises `NothingMeasured` when the server did not keep up at all."""
        known, process = self.servers[server]
        order = Load(
            url=process.url.replace("http://", "ws://").rstrip("/"), pid=process.pid, quality=known.quality, **what
        )
        with trio.move_on_after(WINDOW_WITHIN_S + order.seconds):
            process.tell("delay")
            await process.line()
            self.load.tell(orjson.dumps({"do": do} | asdict(order)).decode())
            result: dict[str, Any] = orjson.loads(await self.load.line())
            process.tell("delay")
            return result | {"loop": orjson.loads(await process.line())}
        raise NothingMeasured(f"{server} with {order.sessions} sessions: no end in {WINDOW_WITHIN_S:.0f} s")


@asynccontextmanager
async def open_bench(servers: Sequence[Server], sessions: int) -> AsyncIterator[Bench]:
    """All processes, started and pinned; leaving ends them. `sessions` is the most that any server will have."""
    theirs, ours = two_cores()
    pin(0, ours)  # what is started from here on inherits it
    with _configuration("PROVIDER", sessions) as config:
        async with child("the load", [sys.executable, "-m", "neko.bench.load"]) as load:
            text = config.read_text()
            config.write_text(text.replace("PROVIDER", load.url))
            bench = Bench(load, {})
            async with _started(bench, list(servers), str(config), theirs):
                yield bench


@asynccontextmanager
async def _started(bench: Bench, servers: list[Server], config: str, core: int) -> AsyncIterator[None]:
    if not servers:
        yield
        return
    first, *rest = servers
    argument = config if "neko.bench.house" in first.command else bench.load.url
    async with child(first.name, [*first.command, argument]) as process:
        pin(process.pid, core)
        bench.servers[first.name] = (first, process)
        async with _started(bench, rest, config, core):
            yield


NEKO = Server("neko", (sys.executable, "-m", "neko.bench.house"))
NEKO_WS = Server("neko-ws", (sys.executable, "-m", "neko.bench.house", "websockets"))


def relay() -> Server:
    script = Path(__file__).parents[2] / "benchmarks" / "relay_trio.py"
    return Server("relay", (sys.executable, str(script)))


@contextmanager
def _configuration(provider_url: str, sessions: int) -> Iterator[Path]:
    os.environ.setdefault(KEY_VARIABLE, "none")
    with TemporaryDirectory(prefix="neko-bench-") as folder:
        lines = [
            f"[server]\ndata_dir = '{folder}'\nauth_token_env = \"NEKO_BENCH_TOKEN\"",
            f'[agents]\nsession_pub = "{ANY}"\nresult_pull = "{ANY}"\nanalyze_push = "{ANY}"',
            f'[providers.sim]\nkind = "openai"\nmodel = "neko"\nurl = "{provider_url}"',
            f'api_key_env = "{KEY_VARIABLE}"',
            *(f'[characters.C{number}]\nprovider = "sim"\ntext_provider = "sim"' for number in range(sessions)),
        ]
        path = Path(folder, "neko.toml")
        path.write_text("\n\n".join(lines), encoding="utf-8")
        yield path


async def quick(argv: list[str]) -> None:
    counts = [int(each) for each in argv[0].split(",")]
    rounds = int(argv[1])
    extra = dict(each.split("=") for each in argv[2:])
    names = extra.pop("servers", "neko,relay").split(",")
    known = {"neko": NEKO, "neko-ws": NEKO_WS, "relay": relay()}
    seconds = float(extra.pop("seconds", 4))
    async with open_bench([known[n] for n in names], max(counts)) as bench:
        for _ in range(rounds):
            for n in counts:
                for name in names:
                    r = await bench.measure("talk", name, sessions=n, seconds=seconds, **extra)
                    if "error" in r:
                        print(name, n, r)
                        continue
                    per = r["ran_s"] / r["seconds"] / n * 100
                    print(
                        f"{name:6} {n:3} cpu/session {per:.2f}% total {per * n:.0f}% wait {r['waited_s'] / r['seconds'] * 100:.1f}% load {r['load_ran_s'] / r['seconds'] * 100:.0f}% late {r['late_p99_ms']:.1f} down {r['down']} up {r['up']} loop {r['loop']} left {r['left_open']}",
                        flush=True,
                    )


if __name__ == "__main__":
    trio.run(quick, sys.argv[1:])
