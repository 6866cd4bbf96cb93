"""The commands that run a house of their own, with the scripted persona in place of a model."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import httpx
import orjson
import pytest
import trio

from neko.client import ServerDraining, connect, one_turn
from neko.protocol.client import InputType
from neko.protocol.server import SessionEndedByServer, Status

if TYPE_CHECKING:
    from pathlib import Path

    from neko.client import CharacterClient

pytestmark = pytest.mark.slow


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "neko.toml"
    file.write_text(f"[server]\ndata_dir = '{tmp_path}'\n\n[providers.local]\nkind = 'local'\nmodel = 'scripted'\n")
    return str(file)


async def start_neko(nursery: trio.Nursery, *arguments: str) -> trio.Process:
    run = partial(trio.run_process, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=b"", check=False)
    process: trio.Process = await nursery.start(run, [sys.executable, "-m", "neko.cli", *arguments])
    return process


async def read_until(stream: trio.abc.ReceiveStream | None, wanted: bytes) -> bytes:
    assert stream is not None
    got = b""
    while wanted not in got:
        piece = await stream.receive_some()
        assert piece, got
        got += piece
    return got


async def rest(stream: trio.abc.ReceiveStream | None) -> bytes:
    assert stream is not None
    return b"".join([piece async for piece in stream])


async def read_all(client: CharacterClient, told: list[type]) -> None:
    async for message in client:
        told.append(type(message))  # noqa: PERF401 - what came before the error is what is asserted


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
async def test_serve_drains_and_says_goodbye(config: str, stop: signal.Signals) -> None:
    goodbye: list[type] = []
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            process = await start_neko(nursery, "serve", "--port", "0", "--config", config, "--log", "json")
            announced = (await read_until(process.stdout, b"is ready")).decode()
            url = next(word for word in announced.split() if word.startswith("http"))
            async with httpx.AsyncClient() as http:
                assert (await http.get(f"{url}/health")).status_code == 200
            async with connect(url, "Yui") as client:
                await client.start(InputType.TEXT)
                await client.send_text("hello")
                assert (await one_turn(client)).text
                process.send_signal(stop)
                with pytest.raises(ServerDraining):
                    await read_all(client, goodbye)
            assert await process.wait() == 0
            logged = await rest(process.stderr)
    assert goodbye == [Status, SessionEndedByServer]
    assert all(orjson.loads(line)["level"] == "info" for line in logged.splitlines())
    assert b"hello" not in logged


async def test_serve_without_its_model_starts_and_says_why(tmp_path: Path) -> None:
    file = tmp_path / "neko.toml"
    file.write_text(f"[server]\ndata_dir = '{tmp_path}'\n\n[providers.local]\nkind = 'local'\nmodel = 'missing.gguf'\n")
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            process = await start_neko(nursery, "serve", "--port", "0", "--config", str(file))
            said = await read_until(process.stderr, b"missing.gguf")
            assert b"Traceback" not in said
            process.terminate()
            assert await process.wait() == 0
            announced = (await rest(process.stdout)).decode()
    assert announced.startswith("neko listens at http://127.0.0.1:")
    assert "ready" not in announced


async def test_say_and_talk_in_a_house_of_their_own(config: str) -> None:
    said = await finished("say", "Yui", "hello", "--config", config)
    assert (said.returncode, said.stderr) == (0, b"")
    assert b"script" in said.stdout
    talked = await finished("talk", "--text", "--config", config, stdin=b"hello\nhow are you?\n")
    assert (talked.returncode, talked.stderr) == (0, b"")
    answers = talked.stdout.decode().splitlines()
    assert [answer.split()[0] for answer in answers] == ["Yui:", "Yui:"]


async def test_a_second_neko_on_the_same_folder_says_so(config: str) -> None:
    """A server does not start where its conversations could not be kept; one answer can be had without."""
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            process = await start_neko(nursery, "serve", "--port", "0", "--config", config)
            await read_until(process.stdout, b"listens at")
            said = await finished("say", "Yui", "hello", "--config", config)
            assert (said.returncode, b"script" in said.stdout) == (0, True)
            served = await finished("serve", "--port", "0", "--config", config)
            assert served.returncode == 2
            for second in (said, served):
                assert b"is in use by another neko; talk to that one with --url" in second.stderr.splitlines()[-1]
            process.terminate()


async def test_check_lists_what_it_looked_at(config: str) -> None:
    checked = await finished("check", "--config", config)
    lines = checked.stdout.decode().splitlines()
    [provider] = [line for line in lines if "looked for its engine" in line]
    assert re.split(r" {2,}", provider.strip())[:6] == [
        "ok",
        "local",
        "local",
        "in this process",
        "looked for its engine",
        "the scripted persona, for demonstrations",
    ]
    assert any(re.match(r"ok +data folder +\S", line) for line in lines)
    failed = [line for line in lines if line.startswith("failed")]
    assert checked.returncode == (1 if failed else 0)
    models = [line for line in lines if re.match(r"\S+ +model ", line)]
    assert len(models) >= 4
    assert all("sha256" in line for line in models)


async def finished(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    with trio.fail_after(60):
        command = [sys.executable, "-m", "neko.cli", *arguments]
        return await trio.run_process(command, stdin=stdin, capture_stdout=True, capture_stderr=True, check=False)
