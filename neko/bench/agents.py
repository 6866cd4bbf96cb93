"""The agents benchmark: what conversations notice of an agent that has much to say."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import trio
from attrs import evolve, frozen
from prometheus_client.parser import text_string_to_metric_families

from neko.bench.density import Bar, Plan, Window, measure_window, medians
from neko.bench.errors import NothingMeasured
from neko.bench.load.order import MicFrames
from neko.bench.servers import NEKO, open_servers
from neko.bench.swap_processes import Child, child

if TYPE_CHECKING:
    from neko.bench.servers import Servers

QUIET, LOADED = "quiet", "loaded"
ADDED_MS = 2.0
TAKEN_WITHIN_S = 10.0  # after the last message was sent
LISTENS = re.compile(r"listening at ([^;]+)")


@frozen
class Taken:
    """What became of the messages of all loaded windows."""

    sent: int
    seconds: float
    behind_s: float  # by which the agent was late at most, because nobody took what it had
    taken: int
    refused: int
    results: int  # that were not brought twice
    again: int
    expired: int

    @property
    def per_minute(self) -> float:
        return self.sent / self.seconds * 60

    @property
    def lost(self) -> int:
        return self.sent - self.taken - self.refused


async def measure_agents(
    plan: Plan, per_minute: int, *, on_window: Callable[[Window], None]
) -> tuple[list[Window], Taken]:
    """Medians of quiet and of loaded windows, which take turns; in each round another one is first.

    Raises:
        NothingMeasured: a process did not come up, or failed.
    """
    [sessions] = plan.sessions
    windows: list[Window] = []
    sent: list[dict[str, Any]] = []
    async with open_servers([NEKO], sessions) as servers, httpx.AsyncClient(trust_env=False) as http:
        url = servers.url(NEKO)
        command = [sys.executable, "-m", "neko.bench.load.agent", await _address(http, url), str(sessions)]
        async with child("the agent", [*command, str(per_minute / 60)], servers.load_cores) as agent:
            for turn in range(plan.rounds):
                for kind in (QUIET, LOADED) if turn % 2 else (LOADED, QUIET):
                    window = await (_quiet if kind is QUIET else _loaded)(servers, plan, agent, sent)
                    on_window(window)
                    windows.append(window)
            return list(medians(windows)), await _taken(http, url, sent)


async def _quiet(servers: Servers, plan: Plan, _: Child, __: list[dict[str, Any]]) -> Window:
    return await _window(servers, plan, QUIET)


async def _loaded(servers: Servers, plan: Plan, agent: Child, sent: list[dict[str, Any]]) -> Window:
    agent.tell("begin")
    window = await _window(servers, plan, LOADED)
    agent.tell("end")
    sent.append(orjson.loads(await agent.line()))
    return window


async def _window(servers: Servers, plan: Plan, kind: str) -> Window:
    window = await measure_window(servers, NEKO, plan.sessions[0], MicFrames.BASE64, plan)
    if window.failed:
        raise NothingMeasured(f"{kind}: {window.failed}")
    return evolve(window, server=kind)


async def _address(http: httpx.AsyncClient, url: str) -> str:
    """Where the server takes results, on the port that it chose."""
    detail = (await http.get(f"{url}/health")).json()["detail"]
    found = LISTENS.search(detail.get("agents", ""))
    if found is None:
        raise NothingMeasured(f"the server does not listen for agents: {detail}")
    return found[1]


async def _taken(http: httpx.AsyncClient, url: str, sent: list[dict[str, Any]]) -> Taken:
    total = sum(each["sent"] for each in sent)
    with trio.move_on_after(TAKEN_WITHIN_S):
        while True:
            counted = await _counted(http, url)
            if counted["messages"] + counted["refused"] >= total:
                break
            await trio.sleep(0.1)
    return Taken(
        sent=total,
        seconds=sum(each["seconds"] for each in sent),
        behind_s=max(each["behind_s"] for each in sent),
        taken=counted["messages"],
        refused=counted["refused"],
        results=counted["brought"],
        again=counted["again"],
        expired=counted["expired"],
    )


async def _counted(http: httpx.AsyncClient, url: str) -> dict[str, int]:
    samples = [
        sample
        for family in text_string_to_metric_families((await http.get(f"{url}/metrics")).text)
        for sample in family.samples
    ]

    def total(name: str, **labels: str) -> int:
        return int(sum(each.value for each in samples if each.name == name and labels.items() <= each.labels.items()))

    fates = ("brought", "again", "expired")
    return {
        "messages": total("neko_agent_messages_total"),
        "refused": total("neko_agent_refusals_total"),
    } | {fate: total("neko_agent_results_total", fate=fate) for fate in fates}


def agent_bars(rows: list[Window], taken: Taken) -> Iterator[Bar]:
    at = {row.server: row for row in rows}
    quiet, loaded = at[QUIET], at[LOADED]
    yield Bar("agents add to speech, p99, ms", loaded.down_ms[1] - quiet.down_ms[1], ADDED_MS)
    yield Bar("agents add to the microphone, p99, ms", loaded.up_ms[1] - quiet.up_ms[1], ADDED_MS)
    yield Bar("messages of agents that were not taken", float(taken.lost + taken.refused), 0.0)
