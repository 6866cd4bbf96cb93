"""The bridge on real ZeroMQ sockets: everything arrives, nothing waits, and what cannot be used is refused aloud."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import trio
import zmq
from attrs import define, frozen

from neko.agents.bridge import ForCharacters, MainServerAgentBridge, open_bridge
from neko.agents.errors import CannotBind
from neko.app import House, open_house
from neko.config.manager import ConfigManager
from neko.config.model import Agents
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.conversation.callbacks import Fate
from neko.protocol.agents.codec import MOST_BYTES
from neko.protocol.agents.events import AnalyzeRequest, Message, SessionEnded, SessionEvent
from neko.protocol.agents.reports import Delivery, TaskUpdate
from neko.telemetry.metrics import AgentMetrics, Metrics
from tests.watched_house import reading_log

ANY = "tcp://127.0.0.1:*"
ADDRESSES = Agents(session_pub=ANY, result_pull=ANY, analyze_push=ANY)
SOON_S = 30.0  # more than this is never, however busy the machine


@define
class Agent:
    """A program beside the server, as its author would write it."""

    sub: zmq.Socket[bytes]
    push: zmq.Socket[bytes]
    pull: zmq.Socket[bytes]

    def send(self, kind: str, **fields: Any) -> None:
        self.push.send(orjson.dumps({"event_type": kind, **fields}))

    async def hear(self, socket: zmq.Socket[bytes]) -> Any:
        return orjson.loads(await trio.to_thread.run_sync(socket.recv))


@contextmanager
def open_agent(at: Any) -> Iterator[Agent]:
    context = zmq.Context()
    agent = Agent(context.socket(zmq.SUB), context.socket(zmq.PUSH), context.socket(zmq.PULL))
    for socket, address in ((agent.sub, at.session_pub), (agent.push, at.result_pull), (agent.pull, at.analyze_push)):
        socket.setsockopt(zmq.RCVTIMEO, int(SOON_S * 1000))
        socket.connect(address)
    agent.sub.subscribe(b"")
    try:
        yield agent
    finally:
        context.destroy(linger=0)


@frozen
class Bridged:
    bridge: MainServerAgentBridge
    agent: Agent
    metrics: Metrics
    came: trio.MemoryReceiveChannel[ForCharacters]

    async def next(self) -> ForCharacters:
        with trio.fail_after(SOON_S):
            return await self.came.receive()

    def counted(self, name: str) -> dict[str, float]:
        return {
            next(iter(sample.labels.values())): sample.value
            for family in self.metrics._registry.collect()
            for sample in family.samples
            if sample.name == f"{name}_total"
        }


@asynccontextmanager
async def a_bridge() -> AsyncIterator[Bridged]:
    metrics = Metrics()
    send, came = trio.open_memory_channel[ForCharacters](100_000)
    with open_bridge(ADDRESSES, AgentMetrics(metrics)) as bridge, open_agent(bridge.endpoints) as agent:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bridge.run, send.send_nowait)
            yield Bridged(bridge, agent, metrics, came)
            nursery.cancel_scope.cancel()


def update(number: int) -> dict[str, Any]:
    return {"task": {"id": number}}


async def test_everything_arrives_in_order_in_bursts_and_one_by_one() -> None:
    """The descriptor is edge-triggered: a wake-up that is missed shows as a wait without end."""
    async with a_bridge() as here:
        for number in range(500):
            here.agent.send("task_update", **update(number))
        assert [await here.next() for _ in range(500)] == [TaskUpdate(task={"id": number}) for number in range(500)]
        for number in range(20):
            here.agent.send("task_update", **update(number))
            assert await here.next() == TaskUpdate(task={"id": number})


async def test_what_cannot_be_used_ends_itself_alone() -> None:
    async with a_bridge() as here:
        with reading_log() as log:
            for _ in range(3):
                here.agent.push.send(b"\xff\x00")
            here.agent.push.send_multipart([b"{}", b"{}"])
            here.agent.push.send(b'"' + b"x" * MOST_BYTES + b'"')
            here.agent.send("nonsense")
            here.agent.send("task_result")
            here.agent.push.send(b"[" * 30_000)
            here.agent.send("task_update", **update(1))
            assert await here.next() == TaskUpdate(task={"id": 1})
            reasons = [(await log.next("agents.refused"))["reason"] for _ in range(4)]
        assert reasons == ["not_json", "too_large", "unknown_type", "wrong"]
        assert here.counted("neko_agent_refusals") == {
            "not_json": 5, "too_large": 1, "unknown_type": 1, "wrong": 1
        }  # fmt: skip
        assert here.counted("neko_agent_messages") == {"task_update": 1}


async def test_who_sends_without_measure_is_hung_up_on_and_comes_back() -> None:
    async with a_bridge() as here:
        here.agent.push.send(b"x" * 4_000_000)
        # What was on that line with it may be lost; the agent's ZeroMQ connects again by itself.
        with trio.fail_after(SOON_S):
            while True:
                here.agent.send("task_update", **update(1))
                with trio.move_on_after(0.1):
                    assert await here.came.receive() == TaskUpdate(task={"id": 1})
                    break


async def test_agents_hear_what_happens() -> None:
    async with a_bridge() as here:
        event = SessionEvent("Yui", SessionEnded("s", "left"))
        heard: list[Any] = []
        async with trio.open_nursery() as nursery:

            async def publish() -> None:
                # Who has not subscribed yet hears nothing of it.
                while True:
                    here.bridge.publish(event)
                    await trio.sleep(0.05)

            nursery.start_soon(publish)
            heard.append(await here.agent.hear(here.agent.sub))
            nursery.cancel_scope.cancel()
        assert heard[0] == {
            "event_type": "session_ended",
            "event_id": event.event_id,
            "lanlan_name": "Yui",
            "timestamp": event.timestamp,
            "data": {"session_id": "s", "reason": "left"},
        }


async def test_a_request_is_sent_once_more_when_nobody_has_it_and_then_given_up() -> None:
    async with a_bridge() as here:
        here.agent.send("agent_bridge_ready", pid=7)
        here.agent.send("task_update", **update(1))
        await here.next()
        assert here.bridge.present.pids == (7,)
        request = AnalyzeRequest("Yui", "s", (Message("user", "What's the weather?"),))
        here.bridge.analyze(request)
        first, second = [await here.agent.hear(here.agent.pull) for _ in range(2)]
        assert first == second
        assert first["event_id"] == request.event_id
        here.agent.send("analyze_ack", event_id=request.event_id, lanlan_name="Yui")
        here.bridge.analyze(AnalyzeRequest("Yui", "s", ()))
        again = await here.agent.hear(here.agent.pull)
        here.agent.send("analyze_ack", event_id=again["event_id"], lanlan_name="Yui")
        here.bridge.analyze(AnalyzeRequest("Yui", "s", ()))
        await trio.sleep(1.8)
        counted = here.counted("neko_agent_requests")
        assert counted == {"acknowledged": 2, "given_up": 1}


async def test_nobody_is_waited_for_who_is_not_there() -> None:
    metrics = Metrics()
    with open_bridge(ADDRESSES, AgentMetrics(metrics)) as bridge:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bridge.run, lambda _: None)
            before = trio.current_time()
            for _ in range(10_000):
                bridge.publish(SessionEvent("Yui", SessionEnded("s", "left")))
            for _ in range(100):
                bridge.analyze(AnalyzeRequest("Yui", "s", ()))
            assert trio.current_time() - before < SOON_S
            nursery.cancel_scope.cancel()


def test_a_port_that_is_taken_is_named_with_its_key() -> None:
    metrics = AgentMetrics(Metrics())
    with open_bridge(ADDRESSES, metrics) as bridge:
        address = bridge.endpoints.result_pull
        taken = Agents(session_pub=ANY, result_pull=address, analyze_push=ANY)
        with pytest.raises(CannotBind) as refused, open_bridge(taken, metrics):
            pass
    assert str(refused.value) == (
        f"agents.result_pull: {address} is taken by another program, perhaps another neko; choose another address"
    )


@pytest.mark.parametrize("address", ["tcp://256.1.1.1:1", "ipc:///nowhere/at/all"])
def test_an_address_that_cannot_be_listened_at_is_named_with_its_key(address: str) -> None:
    metrics = AgentMetrics(Metrics())
    wrong = Agents(session_pub=address, result_pull=ANY, analyze_push=ANY)
    with pytest.raises(CannotBind, match=r"^agents\.session_pub: "), open_bridge(wrong, metrics):
        pass


CONFIG = """
[agents]
session_pub = "{}"
result_pull = "{}"
analyze_push = "{}"
[providers.local]
kind = "local"
model = "scripted"
[characters.Yui]
[characters.Mimi]
"""


@asynccontextmanager
async def a_house(tmp_path: Path, *addresses: str) -> AsyncIterator[House]:
    config = ConfigManager(parse(CONFIG.format(*addresses), "neko.toml"), OverrideStore.in_folder(tmp_path))
    async with open_house(config, host="127.0.0.1", port=0, on_progress=lambda *_: None, agents=True) as house:
        yield house


@pytest.mark.slow
async def test_a_result_for_somebody_unknown_is_refused_and_given_to_nobody(tmp_path: Path) -> None:
    async with a_house(tmp_path, ANY, ANY, ANY) as house, httpx.AsyncClient(trust_env=False) as http:
        assert house.agents.bridge is not None
        with open_agent(house.agents.bridge.endpoints) as agent, reading_log() as log:
            agent.send("task_result", lanlan_name="Nobody", text="tea")
            agent.send("task_result", lanlan_name="Mimi")
            agent.send("agent_bridge_heartbeat", pid=os.getpid())
            agent.send("agent_status_update", snapshot={"flags": {"agent_enabled": True}})
            agent.send("task_result", lanlan_name="Mimi", text="tea")
            agent.send("agent_bridge_ready")
            reasons = [(await log.next("agents.refused"))["reason"] for _ in range(2)]
            await log.next("agents.ready")
        assert reasons == ["unknown_character", "empty"]
        assert [len(manager.pending_agent_callbacks) for manager in house.managers.values()] == [0, 1]
        assert all(manager.agent_flags == {"agent_enabled": True} for manager in house.managers.values())
        metrics = (await http.get(f"{house.url}/metrics")).text
        for line in (
            "neko_agents 1.0",
            'neko_agent_refusals_total{reason="unknown_character"} 1.0',
            'neko_agent_results_total{character="Mimi",fate="brought"} 1.0',
            'neko_agent_results_total{character="Yui",fate="brought"} 0.0',
        ):
            assert line in metrics.splitlines()
        health = (await http.get(f"{house.url}/health")).json()
        here = f"listening at {house.agents.bridge.endpoints.result_pull}; here: {os.getpid()}"
        assert health["detail"]["agents"] == here


@pytest.mark.slow
async def test_a_result_that_nobody_has_heard_waits_in_the_next_process(tmp_path: Path) -> None:
    for brought, again in ((1, 0), (0, 1)):
        async with a_house(tmp_path, ANY, ANY, ANY) as house:
            assert house.agents.bridge is not None
            with open_agent(house.agents.bridge.endpoints) as agent, reading_log() as log:
                agent.send("task_result", lanlan_name="Yui", task_id="7", text="tea", delivery_mode="passive")
                agent.send("agent_bridge_ready")
                await log.next("agents.ready")
            callbacks = house.managers["Yui"].pending_agent_callbacks
            assert [(each.text, each.delivery) for each in callbacks] == [("tea", Delivery.PASSIVE)]
            assert (callbacks.fates[Fate.BROUGHT], callbacks.fates[Fate.AGAIN]) == (brought, again)


@pytest.mark.slow
async def test_a_server_whose_agents_cannot_be_listened_for_does_not_start(tmp_path: Path) -> None:
    async with a_house(tmp_path, ANY, ANY, ANY) as house:
        assert house.agents.bridge is not None
        taken = house.agents.bridge.endpoints.analyze_push
        with pytest.raises(CannotBind, match=r"^agents\.analyze_push: "):
            async with a_house(tmp_path / "second", ANY, ANY, taken):
                pass


@pytest.mark.slow
async def test_a_second_server_with_the_default_addresses_goes_without_agents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_house(tmp_path, ANY, ANY, ANY) as first:
        assert first.agents.bridge is not None
        taken = first.agents.bridge.endpoints.result_pull
        monkeypatch.setattr("neko.app.agents.Addresses", lambda: Agents(result_pull=taken))
        with reading_log() as log:
            async with a_house(tmp_path / "second", ANY, taken, ANY) as second:
                assert (await log.next("agents.not_listening"))["level"] == "warning"
                assert second.health().detail["agents"].startswith("not listening: agents.result_pull: ")
