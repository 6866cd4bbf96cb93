"""The tools of a house: every source that its characters use, each kept usable by a task of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import assert_never

import trio
from attrs import define, field

from neko.config.model import Configuration, ToolKind, ToolSource
from neko.config.snapshot import Snapshot, Tool
from neko.telemetry import get_logger
from neko.telemetry.metrics import Metrics
from neko.tools.mcp_server import McpServer
from neko.tools.plug_in import InstalledTool
from neko.tools.supply import Supply
from neko.tools.tool import Usable

log = get_logger("tools")

TRIED_WITHIN = 5.0  # seconds; whoever starts slower is there when it is there, and the conversation is told


@define(eq=False)
class Drawer:
    """One source as the configuration has it, or had it until it changed."""

    name: str
    source: ToolSource
    supply: Supply
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    uses: int = 0  # at this moment
    wanted: bool = True

    def close_if_idle(self) -> None:
        """A call in progress is answered before its source goes."""
        if not self.wanted and not self.uses:
            self.scope.cancel()


class Toolbox:
    """A `Tools`. Follows the configuration that it is shown; `run` owns what is started."""

    def __init__(self, environ: Mapping[str, str], metrics: Metrics, on_change: Callable[[], None]) -> None:
        self._environ = environ
        self._metrics = metrics
        self._on_change = on_change
        self._nursery: trio.Nursery | None = None
        self._drawers: list[Drawer] = []
        self._clashes: set[str] = set()  # that were told

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled; every server that was started has ended when this returns."""
        async with trio.open_nursery() as self._nursery:
            for drawer in self._drawers:
                self._nursery.start_soon(self._keep, drawer)
            task_status.started()
            await trio.sleep_forever()

    def follow(self, configuration: Configuration) -> None:
        """Starts what a character uses, and ends what none does any more."""
        used = {name for character in configuration.characters.values() for name in character.tools}
        sources = {name: source for name, source in configuration.tools.items() if name in used}
        for drawer in self._drawers:
            drawer.wanted = sources.get(drawer.name) == drawer.source
            drawer.close_if_idle()
        for name, source in sources.items():
            if self._drawer(name, source) is None:
                self._open(name, source)

    async def ready(self) -> None:
        """Returns when it has been seen of each source whether it works, or after `TRIED_WITHIN`."""
        with trio.move_on_after(TRIED_WITHIN):
            await self.tried()

    async def tried(self) -> None:
        """Returns when it has been seen of each source whether it works."""
        for drawer in [*self._drawers]:
            await drawer.supply.tried.wait()

    def found(self) -> Iterator[tuple[str, str, list[str]]]:
        """Of each source its name, why it does not work ("" when it does), and what models call its tools."""
        for drawer in self._drawers:
            yield drawer.name, drawer.supply.problem, [tool.name for tool in drawer.supply.tools]

    @property
    def problems(self) -> dict[str, str]:
        """Why a source does not work, by its name."""
        return {
            drawer.name: drawer.supply.problem for drawer in self._drawers if drawer.wanted and drawer.supply.problem
        }

    def declared(self, snapshot: Snapshot) -> tuple[Tool, ...]:
        return tuple(tool for _, tool in self._tools(snapshot))

    def find(self, snapshot: Snapshot, name: str) -> Usable | None:
        for drawer, tool in self._tools(snapshot):
            if tool.name == name:
                source = drawer.source
                return Usable(drawer.name, partial(_use, drawer, name), source.timeout_s, source.durable)
        return None

    def _tools(self, snapshot: Snapshot) -> Iterator[tuple[Drawer, Tool]]:
        """The character's, in its order; of two by one name the first counts."""
        taken: dict[str, str] = {}
        for name, source in snapshot.tool_sources.items():
            drawer = self._drawer(name, source)
            for tool in drawer.supply.tools if drawer else ():
                if drawer is not None and tool.name not in taken:
                    taken[tool.name] = name
                    yield drawer, tool
                elif tool.name not in self._clashes:
                    self._clashes.add(tool.name)
                    log.warning("tool.left_out", tool=tool.name, of=name, details=f"{taken[tool.name]} has one too")

    def _drawer(self, name: str, source: ToolSource) -> Drawer | None:
        here = (each for each in self._drawers if each.name == name and each.source == source)
        return next((each for each in here if not each.scope.cancel_called), None)

    def _open(self, name: str, source: ToolSource) -> None:
        drawer = Drawer(name, source, self._supply(name, source))
        self._drawers.append(drawer)
        if self._nursery is not None:
            self._nursery.start_soon(self._keep, drawer)

    def _supply(self, name: str, source: ToolSource) -> Supply:
        match source.kind:
            case ToolKind.ENTRY_POINT:
                return InstalledTool(name, source, self._metrics)
            case ToolKind.MCP:
                return McpServer(name, source, self._environ)
            case _:
                assert_never(source.kind)

    async def _keep(self, drawer: Drawer) -> None:
        with drawer.scope:
            await drawer.supply.run(self._on_change)
            await trio.sleep_forever()
        self._drawers.remove(drawer)


async def _use(drawer: Drawer, name: str, arguments: str) -> str:
    drawer.uses += 1
    try:
        return await drawer.supply.use(name, arguments)
    finally:
        drawer.uses -= 1
        drawer.close_if_idle()
