"""`MainServerAgentBridge`: agents hear what happens here, are asked, and bring their results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import trio
import zmq

from neko.agents.asking import Asked, Asking
from neko.agents.present import Present
from neko.agents.sockets import Sockets, open_sockets
from neko.config.model import Agents
from neko.protocol.agents.codec import Refusal, RefusedReport, read_report, write_event
from neko.protocol.agents.events import AnalyzeRequest, SessionEvent
from neko.protocol.agents.reports import AnalyzeAck, BridgeReady, Heartbeat, Report, Result, StatusUpdate, TaskUpdate
from neko.telemetry import get_logger
from neko.telemetry.metrics import AgentMetrics
from neko.telemetry.seldom import Seldom

log = get_logger("agents")

# A conversation comes first. A message takes some 20 µs, so that a batch holds the event loop for less than half a
# millisecond, and after each the agents wait. That makes 3,200 in a second; who sends more is held up in ZeroMQ's
# queues. To wake for each message would cost more than to read it.
BATCH = 16
REST_S = 0.005

ForCharacters = Result | TaskUpdate | StatusUpdate
"""What is not for the bridge itself."""

Take = Callable[[ForCharacters], None]
"""Gives it to whom it concerns, without waiting. Raises `RefusedReport`."""


class MainServerAgentBridge:
    """Made by `open_bridge`. What is published before `run` runs is sent as well."""

    def __init__(self, sockets: Sockets, metrics: AgentMetrics) -> None:
        self.endpoints = sockets.endpoints
        self.present = Present(trio.current_time)
        self._sockets = sockets
        self._metrics = metrics
        self._asking = Asking(self._send_request, self._asked)
        self._seldom = Seldom()
        metrics.watch(lambda: len(self.present.pids))

    def publish(self, event: SessionEvent) -> None:
        """To all agents that subscribe. Never waits: one whose queue is full misses it."""
        with suppress(zmq.Again):
            self._sockets.session_pub.send(write_event(event), zmq.NOBLOCK)

    def analyze(self, request: AnalyzeRequest) -> None:
        """To one agent. Never waits: it is sent from `run`, at most twice."""
        self._asking.ask(request)

    async def run(self, take: Take) -> None:
        """Reads what agents send and gives it to `take`, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._asking.run)
            await self._read(take)

    async def _read(self, take: Take) -> None:
        pull = self._sockets.result_pull
        while True:
            # The descriptor tells of a change only once, and each operation on the socket may have taken the news away:
            # what is there is asked for after each of them, and before every wait.
            while int(pull.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                self._read_batch(take)
                await trio.sleep(REST_S)
            await trio.lowlevel.wait_readable(pull.fileno())

    def _read_batch(self, take: Take) -> None:
        with suppress(zmq.Again):
            for _ in range(BATCH):
                self._take_frames(self._sockets.result_pull.recv_multipart(zmq.NOBLOCK), take)

    def _take_frames(self, frames: list[bytes], take: Take) -> None:
        try:
            if len(frames) != 1:
                raise RefusedReport(Refusal.NOT_JSON, f"a message of {len(frames)} frames; accepted: one")
            kind, report = read_report(frames[0])
            self._dispatch(report, take)
            self._metrics.taken(kind)
        except RefusedReport as refused:
            self._metrics.refused(refused.refusal)
            if times := self._seldom.count(refused.refusal):
                log.warning("agents.refused", reason=refused.refusal, details=refused.details, times=times)
        except Exception:  # a bug costs one message
            log.exception("agents.bug")

    def _dispatch(self, report: Report, take: Take) -> None:
        match report:
            case Result() | TaskUpdate() | StatusUpdate():
                take(report)
            case AnalyzeAck(event_id=event_id):
                self._asking.acknowledge(event_id)
            case BridgeReady(pid=pid):
                log.info("agents.ready", pid=pid)
                self._heard_of(pid)
            case Heartbeat(pid=pid):
                self._heard_of(pid)

    def _heard_of(self, pid: int | None) -> None:
        if pid is not None:
            self.present.heard_of(pid)

    def _send_request(self, frame: bytes) -> None:
        """No agent is there, or each has more of them than it takes: then it is not sent."""
        with suppress(zmq.Again):
            self._sockets.analyze_push.send(frame, zmq.NOBLOCK)

    def _asked(self, asked: Asked) -> None:
        self._metrics.asked(asked)
        if asked is not Asked.ACKNOWLEDGED and (times := self._seldom.count(asked)):
            log.warning("agents.not_asked", reason=asked, times=times)


@contextmanager
def open_bridge(addresses: Agents, metrics: AgentMetrics) -> Iterator[MainServerAgentBridge]:
    """A bridge that agents can connect to; leaving the context closes it.

    Raises:
        CannotBind: an address cannot be used.
    """
    with open_sockets(addresses) as sockets:
        yield MainServerAgentBridge(sockets, metrics)
