"""One MCP server: connected by one task, which connects again when it is lost."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import TYPE_CHECKING, Any

import trio

from neko.config.errors import ConfigError
from neko.config.model import ToolSource
from neko.config.snapshot import Tool
from neko.conversation.backoff import Backoff
from neko.telemetry import get_logger
from neko.tools.mcp_names import called, text_of
from neko.tools.tool import ToolError

if TYPE_CHECKING:
    from mcp import Client

    from neko.tools.arguments import Schema

log = get_logger("tools")

START_WITHIN = 30.0  # seconds: `npx` and `uvx` fetch a program before they start it for the first time
AGAIN_S, AGAIN_MOST_S = 0.5, 60.0  # between two tries
LIVED_S = 30.0  # whoever ends later than this after its start was up, and is started again at once
MOST_TOOLS = 128  # as many as OpenAI takes in one session
MOST_PAGES = 20  # of a list; a server whose list never ends is not asked for ever
NOT_INSTALLED = "needs the package mcp: pip install 'neko[mcp]'"
AWAY = "The tool's server is not there at the moment: it {}. It is being started again; try later."
GONE = (
    "The tool's server was gone before there was an answer. It is being started again; ask again if it may run twice."
)


class McpServer:
    """One table of the configuration."""

    def __init__(self, name: str, source: ToolSource, environ: Mapping[str, str]) -> None:
        self.tools: tuple[Tool, ...] = ()
        self.tried = trio.Event()
        self.problem = "has not been reached yet"
        self._name = name
        self._source = source
        self._environ = environ
        self._client: Client | None = None
        self._known: dict[str, tuple[str, Schema]] = {}  # the server's own names, by the one that models call
        self._ended = trio.Event()

    async def run(self, on_change: Callable[[], None]) -> None:
        """Until cancelled; then the server is told goodbye, and a program of ours has ended when this returns."""
        try:
            # In a thread: it takes two thirds of a second.
            await trio.to_thread.run_sync(importlib.import_module, "neko.tools.mcp_transport")
        except ImportError:
            self._is_away(NOT_INSTALLED)
            return
        pause = Backoff(AGAIN_S, AGAIN_MOST_S)
        while True:
            began = trio.current_time()
            self._is_away(await self._live(on_change))
            if trio.current_time() - began > LIVED_S:
                pause.reset()
            await trio.sleep(pause.next_s())

    async def use(self, name: str, arguments: str) -> str:
        """As `Supply.use`; asked again, it would act twice, so what was lost is lost."""
        from mcp import MCPError

        if self._client is None or name not in self._known:
            raise ToolError(AWAY.format(self.problem))
        own_name, schema = self._known[name]
        given, ended = schema.arguments(arguments), self._ended
        try:
            result = await self._client.call_tool(own_name, given)
        except MCPError as error:
            if ended.is_set() or error.code in _lost_codes():
                ended.set()
                raise ToolError(GONE) from None
            raise ToolError(f"The tool's server refuses: {error}") from None
        if result.is_error:
            raise ToolError(text_of(result) or "The tool failed, and does not say why.")
        return text_of(result)

    async def _live(self, on_change: Callable[[], None]) -> str:
        """From one connection to its end; why it ended, or was none."""
        self._ended = trio.Event()
        scope = trio.CancelScope(deadline=trio.current_time() + START_WITHIN)
        why = "ended"
        try:
            with scope:
                async with self._connected() as (client, changed):
                    await self._list(client, on_change)
                    scope.deadline = inf
                    await self._follow(client, changed, on_change)
        except* (OSError, ConfigError) as group:
            why = f"cannot be started ({group.exceptions[0]})"
        except* Exception as group:  # whatever its words were not: the package raises what httpx2, anyio and it have
            why = f"broke off ({_first(group)})"
        return f"did not answer within {START_WITHIN:.0f} s" if scope.cancelled_caught else why

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[Client, trio.MemoryReceiveChannel[None]]]:
        from mcp import Client

        from neko.tools.mcp_transport import transport

        # One that waits is enough: the list is asked for as a whole.
        news, changed = trio.open_memory_channel[None](1)

        async def hear(message: Any) -> None:
            if getattr(message, "method", "") == "notifications/tools/list_changed":
                _tell(news)

        way = transport(self._source, self._environ, self._ended.set)
        async with Client(way, message_handler=hear, cache=None) as client, trio.open_nursery() as nursery:
            nursery.start_soon(_listen, client, news)
            yield client, changed
            nursery.cancel_scope.cancel()

    async def _follow(
        self, client: Client, changed: trio.MemoryReceiveChannel[None], on_change: Callable[[], None]
    ) -> None:
        """Usable, until it ends."""
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                await self._ended.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            self._client, self.problem = client, ""
            self.tried.set()
            try:
                async for _ in changed:
                    await self._list(client, on_change)
            finally:
                self._client = None

    async def _list(self, client: Client, on_change: Callable[[], None]) -> None:
        from neko.tools.arguments import Schema, SchemaError

        known, tools = dict[str, tuple[str, Schema]](), []
        for each in await _all_tools(client):
            name = called(self._name, each.name)
            try:
                schema = Schema(each.input_schema)
            except SchemaError as error:
                log.warning("tool.left_out", server=self._name, tool=each.name, details=error.message)
                continue
            if name not in known and len(known) < MOST_TOOLS:
                known[name] = (each.name, schema)
                tools.append(Tool(name, each.description or each.title or each.name, each.input_schema))
        before, self.tools, self._known = self.tools, tuple(tools), known
        if self.tools != before:
            log.info("tools.listed", server=self._name, tools=sorted(known))
            on_change()

    def _is_away(self, why: str) -> None:
        self.problem = why
        self.tried.set()
        log.warning("tool.server_away", server=self._name, details=why)


def _tell(news: trio.MemorySendChannel[None]) -> None:
    with suppress(trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
        news.send_nowait(None)


async def _listen(client: Client, news: trio.MemorySendChannel[None]) -> None:
    """Servers of the protocol of 2026 tell of a change to those who ask for it only."""
    from mcp import MCPError
    from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost

    # Who has nothing to tell refuses.
    with suppress(ListenNotSupportedError, SubscriptionLost, MCPError):
        async with client.listen(tools_list_changed=True) as told:
            async for _ in told:
                _tell(news)


async def _all_tools(client: Client) -> list[Any]:
    tools: list[Any] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return tools


def _lost_codes() -> tuple[int, int]:
    """The connection is closed; a server that was started anew does not know our session."""
    from mcp_types import CONNECTION_CLOSED, INVALID_REQUEST

    return CONNECTION_CLOSED, INVALID_REQUEST


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
