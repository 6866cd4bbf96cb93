"""`neko sim`: its options, what its help is good for, and how it ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
from click.testing import CliRunner

from neko.cli import main
from neko.config.read import parse
from neko.realtime.dial import dial
from tests.sim_client import SimClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SOON = 30  # seconds for a process to start or to end on a busy machine


@asynccontextmanager
async def neko_sim(*options: str) -> AsyncIterator[tuple[trio.Process, str]]:
    """The process, and the URL that it printed; killed in the end if it still runs."""
    command = [sys.executable, "-m", "neko.cli", "sim", *options]
    async with trio.open_nursery() as nursery:
        run = partial(trio.run_process, command, stdout=subprocess.PIPE, check=False)
        process: trio.Process = await nursery.start(run)
        assert process.stdout is not None
        with trio.fail_after(SOON):
            line = await process.stdout.receive_some()
        yield process, line.decode().strip()
        nursery.cancel_scope.cancel()


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
async def test_it_talks_until_it_is_told_to_stop(stop: signal.Signals) -> None:
    options = ["--reply", "Hi.", "--call", "weather", "--response-ms", "40", "--omit", "response.created"]
    async with neko_sim(*options) as (process, url):
        async with dial(url, {}) as socket:
            client = SimClient(socket)
            await client.send({"type": "response.create"})
            output = (await client.until("response.done"))["response"]["output"][0]
            assert output["content"][0]["transcript"] == "Hi."
            assert client.types[:2] == ["session.created", "response.output_item.added"]
        process.send_signal(stop)
        with trio.fail_after(SOON):
            assert await process.wait() == 0


@pytest.mark.slow
async def test_a_dialect_with_its_warning_and_a_taken_port() -> None:
    async with neko_sim("--dialect", "gemini", "--expires-after", "0.4", "--go-away", "0.3") as (_, url):
        async with dial(url, {}) as socket:
            client = SimClient(socket)
            await client.until("goAway")
            assert (await client.until_closed())[0] == 1008
        port = url.split(":")[2].split("/")[0]
        taken = await trio.run_process(
            [sys.executable, "-m", "neko.cli", "sim", "--port", port], check=False, capture_stderr=True
        )
        assert taken.returncode == 1
        assert f"cannot listen at port {port}" in taken.stderr.decode()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--dialect", "nova"], "'openai', 'azure', 'xai', 'qwen', 'glm', 'step', 'gemini'"),
        (["--refuse", "200"], "'401'"),
        (["--response-ms", "45"], "response_ms must be a multiple of 10 ms"),
        (["--call", "weather={"], "NAME= and the JSON of its arguments"),
        (["--go-away", "60", "--expires-after", "600"], "--kind gemini"),
        (["--kind", "qwen", "--beta"], "--kind openai and azure"),
        (["--go-away", "60", "--dialect", "gemini"], "--expires-after"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(options: list[str], sentence: str) -> None:
    result = CliRunner().invoke(main, ["sim", *options])
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_the_snippet_in_the_help_is_a_configuration() -> None:
    text = CliRunner().invoke(main, ["sim", "--help"]).stdout
    snippet = text[text.index("[providers.sim]") : text.index("Options:")]
    configuration = parse(re.sub(r"^ +", "", snippet, flags=re.MULTILINE), "neko.toml")
    assert configuration.characters["Mimi"].provider == "sim"
