"""The house and its agents: whether it has any, and to which character what they send is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, assert_never

from attrs import asdict, frozen

from neko.agents.errors import CannotBind
from neko.config.model import Agents as Addresses
from neko.nurseries.manager import LLMSessionManager
from neko.nurseries.ports import Agents, NoAgents
from neko.protocol.agents.codec import Refusal, RefusedReport
from neko.protocol.agents.reports import Result, StatusUpdate, TaskUpdate
from neko.telemetry import get_logger
from neko.telemetry.metrics import AgentMetrics, Metrics

if TYPE_CHECKING:
    from neko.agents.bridge import ForCharacters, MainServerAgentBridge

log = get_logger("agents")

Managers = Callable[[], Mapping[str, LLMSessionManager]]
"""Who lives in the house now."""


@frozen
class AgentsHere:
    """`bridge` is None in a house that does not listen for agents; `why_not` says why, where somebody wants to know."""

    bridge: MainServerAgentBridge | None = None
    why_not: str = ""

    @property
    def port(self) -> Agents:
        return NoAgents() if self.bridge is None else self.bridge

    async def run(self, managers: Managers) -> None:
        """Takes what they send, until cancelled."""
        if self.bridge is not None:
            await self.bridge.run(lambda report: deliver(report, managers()))

    def health(self) -> dict[str, str]:
        if self.bridge is None:
            return {"agents": self.why_not} if self.why_not else {}
        pids = self.bridge.present.pids
        here = f"; here: {', '.join(map(str, pids))}" if pids else "; none is here"
        return {"agents": f"listening at {self.bridge.endpoints.result_pull}{here}"}


def deliver(report: ForCharacters, managers: Mapping[str, LLMSessionManager]) -> None:
    """Raises `RefusedReport`: what is for somebody who does not live here is never given to another one."""
    for manager in _concerned(report.lanlan_name, managers):
        match report:
            case Result():
                if not manager.desk.bring(report):
                    raise RefusedReport(Refusal.EMPTY, "a result without text, summary, detail and error_message")
            case TaskUpdate(task=task):
                manager.desk.show_task(task)
            case StatusUpdate(snapshot=snapshot):
                manager.desk.show_agents(snapshot)
            case _:
                assert_never(report)


def _concerned(name: str | None, managers: Mapping[str, LLMSessionManager]) -> list[LLMSessionManager]:
    if name is None:
        return list(managers.values())
    if name not in managers:
        details = f"no character is called {name[:100]!r}; accepted: {', '.join(managers)}"
        raise RefusedReport(Refusal.UNKNOWN_CHARACTER, details)
    return [managers[name]]


@contextmanager
def open_agents(addresses: Addresses | None, metrics: Metrics) -> Iterator[AgentsHere]:
    """Listens for agents, None: for none; leaving the context closes the sockets.

    Two servers on one machine are an ordinary thing. The second one goes without agents where it was given no addresses
    of its own, and says so.

    Raises:
        CannotBind: an address cannot be used, and is not a default that another server may have.
    """
    if addresses is None:
        yield AgentsHere()
        return
    # Only a server needs it, and it takes 50 ms to import.
    from neko.agents.bridge import open_bridge

    with ExitStack() as stack:
        try:
            bridge = stack.enter_context(open_bridge(addresses, AgentMetrics(metrics)))
        except CannotBind as error:
            if not (error.taken and getattr(addresses, error.key) == getattr(Addresses(), error.key)):
                raise
            log.warning("agents.not_listening", details=str(error))
            here = AgentsHere(why_not=f"not listening: {error}")
        else:
            log.info("agents.listening", **asdict(bridge.endpoints))
            here = AgentsHere(bridge)
        yield here
