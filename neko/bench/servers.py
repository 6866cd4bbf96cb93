"""The servers that are compared under load, all of them running, and the one process that loads them in turn."""

from __future__ import annotations

import importlib.util
import os
import sys
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import orjson
import trio
from attrs import asdict, define, field

from neko.bench.errors import NothingMeasured
from neko.bench.load.order import Load
from neko.bench.peers import PIPECAT, RELAY, command
from neko.bench.pinned import Cores, pin_this_thread, share_cores
from neko.bench.swap_processes import Child, child

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

NEKO, FLOOR, FASTAPI, PIPECAT_PEER = "neko", "relay", "relay, FastAPI", "pipecat"
SERVERS = (NEKO, FLOOR, FASTAPI, PIPECAT_PEER)
# soxr's quality from 24 to 48 kHz, where it is not HQ: what a resampler holds back is no latency of the server's.
QUALITY = {PIPECAT_PEER: "VHQ"}
SOCKETS = "picows"  # of the load, which nobody but these benchmarks needs
DONE_WITHIN_S = 180.0  # beyond the window: a hundred starts, one after the other, by a server that takes a second each
ANY = "tcp://127.0.0.1:*"  # any free port
KEY_VARIABLE = "NEKO_BENCH_KEY"


@define(eq=False)
class Servers:
    """Made by `open_servers`."""

    _load: Child
    _stack: AsyncExitStack
    _cores: Cores
    _house: Path  # neko's configuration
    _running: dict[str, Child] = field(factory=dict, init=False)
    missing: dict[str, str] = field(factory=dict, init=False)  # peers that cannot be had, and why

    async def start(self, name: str) -> None:
        """A peer that cannot be had is left out."""
        try:
            started = child(name, await self._command(name), self._cores.server)
            self._running[name] = await self._stack.enter_async_context(started)
        except NothingMeasured as reason:
            self.missing[name] = str(reason)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._running)

    def url(self, name: str) -> str:
        return self._running[name].url

    @property
    def load_cores(self) -> frozenset[int]:
        """Where whatever loads them belongs."""
        return self._cores.load

    def pid(self, name: str) -> int:
        return self._running[name].pid

    async def have(self, do: str, name: str, **what: Any) -> dict[str, Any]:
        """Has the load do something with one server; adds how late that server's event loop was meanwhile.

        Raises:
            NothingMeasured: it was not done in time. What the server itself failed at stands in `error`.
        """
        server = self._running[name]
        order = Load(
            url=server.url.replace("http://", "ws://"), pid=server.pid, quality=QUALITY.get(name, "HQ"), **what
        )
        with trio.move_on_after(DONE_WITHIN_S + order.seconds):
            await _delay_of(server)
            self._load.tell(orjson.dumps({"do": do} | asdict(order)).decode())
            result: dict[str, Any] = orjson.loads(await self._load.line())
            return result | {"loop": await _delay_of(server)}
        raise NothingMeasured(f"{name}: {do} with {order.sessions} sessions was not done in {DONE_WITHIN_S:.0f} s")

    async def _command(self, name: str) -> list[str]:
        if name == NEKO:
            return [sys.executable, "-m", "neko.bench.house", str(self._house)]
        if name == FLOOR:
            script = Path(__file__).parents[2] / "benchmarks" / "relay_trio.py"
            if not script.exists():
                raise NothingMeasured(
                    "the scripts of the peers are in the repository (benchmarks/), not in the package"
                )
            return [sys.executable, str(script), self._load.url]
        return [*await command(PIPECAT if name == PIPECAT_PEER else RELAY), self._load.url]


@asynccontextmanager
async def open_servers(names: Sequence[str], sessions: int) -> AsyncIterator[Servers]:
    """These servers, on one core, and the load on the other; leaving ends them. None has more than so many `sessions`.

    Raises:
        NothingMeasured: the load or a server of ours did not come up.
    """
    if importlib.util.find_spec(SOCKETS) is None:
        raise NothingMeasured(f"the benchmark needs one more package: pip install {SOCKETS}")
    cores = share_cores()
    pin_this_thread(cores.load)
    async with AsyncExitStack() as stack:
        load = await stack.enter_async_context(child("the load", [sys.executable, "-m", "neko.bench.load"], cores.load))
        servers = Servers(load, stack, cores, stack.enter_context(_configuration(load.url, sessions)))
        for name in names:
            await servers.start(name)
        yield servers


async def _delay_of(server: Child) -> dict[str, float]:
    server.tell("delay")
    delay: dict[str, float] = orjson.loads(await server.line())
    return delay


@contextmanager
def _configuration(provider_url: str, sessions: int) -> Iterator[Path]:
    """A house with a character for each session, since a character has one client. All else is the default."""
    os.environ.setdefault(KEY_VARIABLE, "none")
    with TemporaryDirectory(prefix="neko-bench-") as folder:
        lines = [
            # A literal string: Windows paths have backslashes. No token, whatever this user's own server has.
            f"[server]\ndata_dir = '{folder}'\nauth_token_env = \"NEKO_BENCH_TOKEN\"",
            f'[agents]\nsession_pub = "{ANY}"\nresult_pull = "{ANY}"\nanalyze_push = "{ANY}"',
            f'[providers.sim]\nkind = "openai"\nmodel = "neko"\nurl = "{provider_url}"\napi_key_env = "{KEY_VARIABLE}"',
            *(f'[characters.C{number}]\nprovider = "sim"\ntext_provider = "sim"' for number in range(sessions)),
        ]
        path = Path(folder, "neko.toml")
        path.write_text("\n\n".join(lines), encoding="utf-8")
        yield path
