"""Tools in a whole house: every provider's dialect over a socket, chat over HTTP, an MCP server in a process."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from neko.app import House, open_house
from neko.app.check import check
from neko.app.finding import Verdict
from neko.client import CharacterClient, connect
from neko.client.turn import Reply, one_turn
from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.protocol.client import InputType, SwapSession, SwapWhen
from neko.protocol.server import SessionSwapped
from neko.testing import DIALECTS, Behaviour, ChatReply, ToolCall, open_chat, open_provider
from tests.test_mcp import DEMO, SOON_S, alive, until
from tests.watched_house import SCRIPTED, a_watched_house

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")]

PROVIDER = """
[providers.x]
kind = "{kind}"
url = "{url}"
model = "sim"
{more}
"""
CLOCK = '[tools.clock]\nkind = "entry_point"\n'
DEMO_TABLE = f"[tools.demo]\nkind = 'mcp'\ncommand = '{sys.executable}'\nargs = ['{DEMO}']\n"
MIMI = """
[characters.Mimi]
provider = "x"
text_provider = "x"
tools = ["clock"]
[characters.Mimi.session]
prepare = "due"
"""
TELLING = """
import os, runpy
open({pids!r}, "w").write(str(os.getpid()))
runpy.run_path({demo!r}, run_name="__main__")
"""
KINDS = sorted(DIALECTS)


@asynccontextmanager
async def a_house(folder: Path, text: str) -> AsyncIterator[House]:
    config = ConfigManager(parse(text, "neko.toml"), OverrideStore.in_folder(folder))
    async with open_house(config, host="127.0.0.1", port=0, on_progress=lambda *_: None) as house:
        with trio.fail_after(SOON_S):
            await house.ready()
        await until(lambda: not house.tools.problems)  # on a busy machine a server takes longer than the house waits
        yield house


async def ask(client: CharacterClient, text: str) -> Reply:
    await client.send_text(text)
    with trio.fail_after(SOON_S):
        return await one_turn(client)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_tool_is_declared_called_and_answered_in_every_dialect(kind: str, tmp_path: Path) -> None:
    behaviour = Behaviour(replies=(ToolCall("clock", '{"zone":"Asia/Tokyo"}'), "It is late in Tokyo."), response_ms=40)
    async with open_provider(behaviour, DIALECTS[kind]) as provider:
        text = PROVIDER.format(kind=kind, url=provider.url, more="") + CLOCK + MIMI
        async with a_house(tmp_path, text) as house, connect(house.url, "Mimi") as client:
            await client.start(InputType.AUDIO)
            reply = await ask(client, "How late is it in Tokyo?")
            assert (reply.text, reply.interrupted) == ("It is late in Tokyo.", False)
            theirs = await provider.session()
            assert "JST" in str(theirs.got)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_swap_in_the_middle_of_a_call_loses_no_answer_in_any_dialect(kind: str, tmp_path: Path) -> None:
    behaviour = Behaviour(replies=(ToolCall("demo_sleep", '{"seconds":1}'), "Awake again."), response_ms=40)
    async with open_provider(behaviour, DIALECTS[kind]) as provider:
        text = PROVIDER.format(kind=kind, url=provider.url, more="") + DEMO_TABLE + MIMI.replace("clock", "demo")
        async with a_house(tmp_path, text) as house, connect(house.url, "Mimi") as client:
            await client.start(InputType.AUDIO)
            await client.send_text("Sleep a little.")
            first = await provider.session()
            await until(lambda: bool(house.managers["Mimi"]._hosting.session.current.calls))  # type: ignore[union-attr]
            provider.behaviour = Behaviour(replies=("Awake again.",), response_ms=40)
            await client.send(SwapSession(SwapWhen.NOW, prompt="You are a pirate."))
            with trio.fail_after(SOON_S):
                async for message in client:
                    if isinstance(message, SessionSwapped):
                        break
                reply = await one_turn(client)
                while not reply.text:
                    reply = await one_turn(client)
            assert reply.text == "Awake again."
            second = await provider.session(1)
            assert "awake" in str(second.got)
            assert "awake" not in str(first.got)


async def test_chat_uses_tools_as_well(tmp_path: Path) -> None:
    calling = ChatReply(pieces=("Let me see.",), calls=(ToolCall("clock", "{}"), ToolCall("demo_add", '{"a":1,"b":2}')))
    async with open_chat(calling, ChatReply(pieces=("Half past three.",))) as chat:
        text = SCRIPTED + PROVIDER.format(kind="chat", url=chat.url, more="") + CLOCK + DEMO_TABLE
        text += MIMI.replace('provider = "x"\ntext', "text", 1).replace('["clock"]', '["clock", "demo"]')
        async with a_house(tmp_path, text) as house, connect(house.url, "Mimi") as client:
            await client.start(InputType.TEXT)
            reply = await ask(client, "How late is it?")
            assert (reply.text, reply.interrupted) == ("Let me see. Half past three.", False)
            *_, asking, time, three = chat.requests[1].body["messages"]
            assert [call["function"]["name"] for call in asking["tool_calls"]] == ["clock", "demo_add"]
            assert (time["role"], three["content"]) == ("tool", "3")


async def test_a_tool_that_is_added_to_the_file_is_used_in_the_same_conversation(tmp_path: Path) -> None:
    async with open_chat(ChatReply(pieces=("Hm.",))) as chat:
        provider = SCRIPTED + PROVIDER.format(kind="chat", url=chat.url, more="")
        without = provider + MIMI.replace('provider = "x"\ntext', "text", 1).replace('["clock"]', "[]")
        async with a_watched_house(tmp_path, without) as there, connect(there.house.url, "Mimi") as client:
            await client.start(InputType.TEXT)
            await ask(client, "Hello?")
            assert "tools" not in chat.requests[0].body
            await there.write(without.replace("tools = []", 'tools = ["demo"]') + DEMO_TABLE)
            with trio.fail_after(SOON_S):
                async for message in client:
                    if isinstance(message, SessionSwapped):
                        break
            await ask(client, "And now?")
            offered = [tool["function"]["name"] for tool in chat.requests[-1].body.get("tools", [])]
            if not offered:  # the first swap was for the file, the next one is for what the server told
                with trio.fail_after(SOON_S):
                    async for message in client:
                        if isinstance(message, SessionSwapped):
                            break
                await ask(client, "And now?")
                offered = [tool["function"]["name"] for tool in chat.requests[-1].body["tools"]]
            assert "demo_add" in offered


async def test_the_house_takes_its_servers_along_when_it_is_asked_to_close(tmp_path: Path) -> None:
    text = SCRIPTED + DEMO_TABLE + "[characters.Mimi]\ntools = ['demo']\n"
    async with a_house(tmp_path, text) as house:
        usable = house.tools.find(house.config.snapshot("Mimi"), "demo_pid")
        assert usable is not None
        pid = int((await usable.use("{}")).split()[0])
        house.drain()
        await trio.sleep(SOON_S)  # the house cancels it when it is done
    assert not alive(pid)


async def test_a_house_that_is_terminated_leaves_no_server_behind(tmp_path: Path) -> None:
    file, pids = tmp_path / "neko.toml", tmp_path / "pid"
    server = tmp_path / "server.py"
    server.write_text(TELLING.format(pids=str(pids), demo=str(DEMO)))
    here = f"[server]\nport = 0\ndata_dir = '{tmp_path}'\ngrace_s = 1\n"
    file.write_text(
        here + SCRIPTED + DEMO_TABLE.replace(str(DEMO), str(server)) + "[characters.Mimi]\ntools = ['demo']\n"
    )
    process = await trio.lowlevel.open_process([sys.executable, "-m", "neko.cli", "serve", "--config", str(file)])
    try:
        await until(lambda: pids.exists() and pids.read_text() != "")
        pid = int(pids.read_text())
        assert alive(pid)
        os.kill(process.pid, signal.SIGTERM)
        with trio.fail_after(SOON_S):
            assert await process.wait() == 0
        assert not alive(pid)
    finally:
        process.kill()


async def test_check_says_which_tools_work(tmp_path: Path) -> None:
    broken = '[tools.broken]\nkind = "mcp"\ncommand = "no-such-program-anywhere"\n'
    text = SCRIPTED + CLOCK + DEMO_TABLE + broken + '[characters.Mimi]\ntools = ["clock", "demo", "broken"]\n'
    config = ConfigManager(parse(text, "neko.toml"), OverrideStore.in_folder(tmp_path))
    found = {each.subject: each async for each in check(config)}
    assert (found["tool clock"].verdict, found["tool clock"].detail) == (Verdict.OK, "clock")
    assert found["tool demo"].detail.startswith("demo_add, demo_sleep")
    assert found["tool broken"].verdict is Verdict.FAILED
    assert "no-such-program-anywhere" in found["tool broken"].detail
