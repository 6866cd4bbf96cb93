"""MCP servers as tools: real processes, over stdio and over HTTP on loopback, that die, learn and are ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define, field

from neko.config import Configuration, parse
from neko.config.snapshot import Snapshot, take_snapshot
from neko.telemetry.metrics import Metrics
from neko.tools import Toolbox, ToolError
from neko.tools.mcp_server import GONE

# `httpx2` reads an answer through async generators and leaves them to the collector, which Trio says is a waste.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")]

DEMO, OLD = Path(__file__).parent / "mcp_demo.py", Path(__file__).parent / "mcp_old.py"
SOON_S = 30.0  # a process starts within a second; more than this is never, however busy the machine


def over_stdio(more: str = "", program: Path = DEMO) -> Configuration:
    table = f"[tools.demo]\nkind = 'mcp'\ncommand = '{sys.executable}'\nargs = ['{program}']\n{more}"
    return parse(f"{table}\n[characters.Mimi]\ntools = ['demo']", "neko.toml")


def over_http(port: int) -> Configuration:
    table = f"[tools.demo]\nkind = 'mcp'\nurl = 'http://127.0.0.1:{port}/mcp'\n"
    return parse(f"{table}\n[characters.Mimi]\ntools = ['demo']", "neko.toml")


@define
class Demo:
    """A toolbox with the demo server in it."""

    box: Toolbox
    configuration: Configuration
    changed: trio.MemoryReceiveChannel[None] = field()

    @property
    def snapshot(self) -> Snapshot:
        return take_snapshot(self.configuration, "Mimi")

    @property
    def names(self) -> list[str]:
        return [tool.name for tool in self.box.declared(self.snapshot)]

    async def use(self, name: str, arguments: str = "{}") -> str:
        usable = self.box.find(self.snapshot, name)
        assert usable is not None
        with trio.fail_after(SOON_S):
            return await usable.use(arguments)

    async def use_when_it_is_back(self, name: str, arguments: str = "{}") -> str:
        with trio.fail_after(SOON_S):
            while True:
                try:
                    return await self.use(name, arguments)
                except ToolError:
                    await trio.sleep(0.05)


@asynccontextmanager
async def demo(configuration: Configuration, environ: dict[str, str] | None = None) -> AsyncIterator[Demo]:
    news, changed = trio.open_memory_channel[None](100)
    box = Toolbox(environ or {}, Metrics(), lambda: news.send_nowait(None))
    box.follow(configuration)
    async with trio.open_nursery() as nursery:
        await nursery.start(box.run)
        with trio.fail_after(SOON_S):
            await changed.receive()
        yield Demo(box, configuration, changed)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def http_server(port: int) -> AsyncIterator[trio.Process]:
    process = await trio.lowlevel.open_process([sys.executable, str(DEMO), str(port)], stderr=subprocess.DEVNULL)
    try:
        with trio.fail_after(SOON_S):
            await _listens(port)
        yield process
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def _listens(port: int) -> None:
    while True:
        try:
            async with await trio.open_tcp_stream("127.0.0.1", port):
                return
        except OSError:
            await trio.sleep(0.05)  # it is another process: nobody tells us


async def until(true: Callable[[], bool]) -> None:
    """Other processes tell nobody here what becomes of them."""
    with trio.fail_after(SOON_S):
        while not true():  # noqa: ASYNC110
            await trio.sleep(0.01)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_its_tools_are_declared_used_and_judged() -> None:
    async with demo(over_stdio()) as it:
        assert it.names == ["demo_add", "demo_sleep", "demo_fail", "demo_pid", "demo_learn"]
        assert it.box.declared(it.snapshot)[0].description == "Adds two numbers."
        assert await it.use("demo_add", '{"a":1,"b":2}') == "3"
        with pytest.raises(ToolError, match="'b' is a required property"):
            await it.use("demo_add", '{"a":1}')
        with pytest.raises(ToolError, match="Error executing tool fail"):
            await it.use("demo_fail")


async def test_several_calls_at_once_and_a_cancelled_one() -> None:
    async with demo(over_stdio()) as it, trio.open_nursery() as nursery:
        with trio.move_on_after(0.2) as waiting:
            await it.use("demo_sleep", '{"seconds":30}')
        assert waiting.cancelled_caught
        nursery.start_soon(it.use, "demo_sleep", '{"seconds":0.2}')
        assert await it.use("demo_add", '{"a":1,"b":2}') == "3"


async def test_a_program_gets_the_variables_that_are_named_and_no_others() -> None:
    configuration = over_stdio("env = ['DEMO_TOKEN']")
    async with demo(configuration, {"DEMO_TOKEN": "secret"}) as it:
        assert (await it.use("demo_pid")).split()[1] == "secret"


async def test_a_server_that_dies_in_the_middle_of_a_call_is_started_again() -> None:
    async with demo(over_stdio()) as it:
        pid = int((await it.use("demo_pid")).split()[0])
        said: list[str] = []

        async def call() -> None:
            try:
                await it.use("demo_sleep", '{"seconds":30}')
            except ToolError as error:
                said.append(str(error))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await trio.sleep(0.2)
            os.kill(pid, signal.SIGKILL)
        assert said == [GONE]
        assert "demo_add" in it.names  # what it can do is still known
        again = int((await it.use_when_it_is_back("demo_pid")).split()[0])
        assert again != pid


async def test_a_server_that_dies_while_nobody_calls_is_started_again_as_well() -> None:
    async with demo(over_stdio()) as it:
        pid = int((await it.use("demo_pid")).split()[0])
        os.kill(pid, signal.SIGKILL)
        await until(lambda: bool(it.box.problems))
        await until(lambda: not it.box.problems)
        assert int((await it.use("demo_pid")).split()[0]) != pid


@pytest.mark.parametrize("way", ["stdio", "http"])
async def test_tools_that_it_learns_are_declared(way: str) -> None:
    port = free_port()
    async with http_server(port), demo(over_stdio() if way == "stdio" else over_http(port)) as it:
        assert await it.use("demo_learn") == "learned"
        with trio.fail_after(SOON_S):
            await it.changed.receive()
        assert "demo_multiply" in it.names
        assert await it.use("demo_multiply", '{"a":6,"b":7}') == "42"


async def test_a_server_of_the_older_protocol_tells_of_what_it_learns_as_well() -> None:
    async with demo(over_stdio(program=OLD)) as it:
        assert it.names == ["demo_first"]
        assert await it.use("demo_first") == "learned"
        with trio.fail_after(SOON_S):
            await it.changed.receive()
        assert it.names == ["demo_first", "demo_second"]


async def test_a_server_over_http_that_dies_and_comes_back() -> None:
    port = free_port()
    async with http_server(port) as server, demo(over_http(port)) as it:
        assert await it.use("demo_add", '{"a":1,"b":2}') == "3"
        async with trio.open_nursery() as nursery:

            async def call() -> None:
                with pytest.raises(ToolError):
                    await it.use("demo_sleep", '{"seconds":30}')

            nursery.start_soon(call)
            await trio.sleep(0.3)
            server.kill()
        async with http_server(port):
            assert await it.use_when_it_is_back("demo_add", '{"a":1,"b":2}') == "3"


async def test_the_end_of_the_house_ends_the_process() -> None:
    async with demo(over_stdio()) as it:
        pid = int((await it.use("demo_pid")).split()[0])
        assert alive(pid)
    assert not alive(pid)


async def test_a_table_that_is_gone_ends_its_process_once_its_calls_are_answered() -> None:
    async with demo(over_stdio()) as it, trio.open_nursery() as nursery:
        pid = int((await it.use("demo_pid")).split()[0])
        said: list[str] = []

        async def call() -> None:
            said.append(await it.use("demo_sleep", '{"seconds":0.5}'))

        nursery.start_soon(call)
        await trio.sleep(0.1)
        it.box.follow(parse("[characters.Mimi]", "neko.toml"))
        await until(lambda: not alive(pid))
        assert said == ["awake"]
        assert it.names == []


async def test_a_program_that_is_none_says_so() -> None:
    table = "[tools.demo]\nkind = 'mcp'\ncommand = 'no-such-program-anywhere'\n"
    configuration = parse(f"{table}[characters.Mimi]\ntools = ['demo']", "neko.toml")
    box = Toolbox({}, Metrics(), lambda: None)
    box.follow(configuration)
    async with trio.open_nursery() as nursery:
        await nursery.start(box.run)
        await until(lambda: "no-such-program" in box.problems.get("demo", ""))
        nursery.cancel_scope.cancel()
