"""Tools that were installed: entry points in the group `neko.tools`, and one that comes with neko.

An entry point names a `PlugIn`: a module such as `neko.tools.clock`, or an object.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol

import orjson
import trio

from neko.config.model import ToolSource
from neko.config.snapshot import Tool
from neko.telemetry import get_logger
from neko.telemetry.metrics import Metrics
from neko.tools.tool import ToolError

if TYPE_CHECKING:
    from neko.tools.arguments import Schema

log = get_logger("tools")

GROUP = "neko.tools"
BUILT_IN = {"clock": "neko.tools.clock"}
THREADS = 8  # for plug-ins that block; what hangs there for ever shall not use up the threads of everybody


class PlugIn(Protocol):
    """What an entry point names.

    `description` tells the model what it is for, `parameters` is a JSON schema of an object. `use` gets arguments that
    fit the schema, and returns text, or anything that can be JSON. An async one is cancelled when nobody waits for it
    any more; one that blocks runs in a thread, and is left to itself then. What it raises is told to the model.
    """

    description: str
    parameters: Mapping[str, Any]

    @property
    def use(self) -> Callable[[dict[str, Any]], Awaitable[object] | object]: ...


class InstalledTool:
    """One entry point, under the name of its table in the configuration."""

    def __init__(self, name: str, source: ToolSource, metrics: Metrics) -> None:
        self.tools: tuple[Tool, ...] = ()
        self.tried = trio.Event()
        self.problem = ""
        self._name = name
        self._entry_point = source.entry_point or name
        self._abandoned = metrics.abandoned.labels(name)
        self._threads = trio.CapacityLimiter(THREADS)
        self._loaded: tuple[PlugIn, Schema] | None = None

    async def run(self, on_change: Callable[[], None]) -> None:
        """Loads it, in a thread: others' imports take their time."""
        try:
            self._loaded = await trio.to_thread.run_sync(_load, self._entry_point)
        except Exception as error:  # whatever somebody's module raises
            self.problem = f"cannot be loaded ({type(error).__name__}: {error})"
            log.exception("tool.not_loaded", tool=self._name)
        else:
            plug_in = self._loaded[0]
            self.tools = (Tool(self._name, plug_in.description, plug_in.parameters),)
            on_change()
        self.tried.set()

    async def use(self, name: str, arguments: str) -> str:  # noqa: ARG002 - it has only one
        if self._loaded is None:
            raise ToolError(f"The tool {self.problem}.")
        plug_in, schema = self._loaded
        given = schema.arguments(arguments)
        if inspect.iscoroutinefunction(plug_in.use):
            return _text(await plug_in.use(given))
        # Vendor calls that cannot be interrupted and share nothing: nobody waits for the rest of one.
        try:
            blocking = partial(plug_in.use, given)
            return _text(await trio.to_thread.run_sync(blocking, abandon_on_cancel=True, limiter=self._threads))
        except trio.Cancelled:
            self._abandoned.inc()
            raise


def _load(name: str) -> tuple[PlugIn, Schema]:
    from neko.tools.arguments import Schema  # a tenth of a second, for those who use tools

    plug_in: PlugIn = import_module(BUILT_IN[name]) if name in BUILT_IN else entry_points(group=GROUP)[name].load()
    return plug_in, Schema(plug_in.parameters)


def _text(output: object) -> str:
    return output if isinstance(output, str) else orjson.dumps(output, default=str).decode()
