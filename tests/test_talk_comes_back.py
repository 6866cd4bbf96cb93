"""`neko talk` over a connection that is reset between two lines: both are answered."""

from __future__ import annotations

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio

from neko.app import open_house
from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.testing import open_proxy

pytestmark = pytest.mark.slow

SCRIPTED = """
[providers.local]
kind = "local"
model = "scripted"
[characters.Yui]
"""
ANSWER = b"I am a scripted voice"
SOON = 30  # seconds; starting Python takes most of it on a busy machine


async def test_a_conversation_goes_on_after_a_reset(tmp_path: Path) -> None:
    config = ConfigManager(parse(SCRIPTED, "neko.toml"), OverrideStore.in_folder(tmp_path))
    with trio.fail_after(SOON):
        async with open_house(config, host="127.0.0.1", port=0, on_progress=lambda *_: None) as house:
            await house.ready()
            async with (
                open_proxy("127.0.0.1", urlsplit(house.url).port or 0) as proxy,
                trio.open_nursery() as nursery,
            ):
                run = partial(trio.run_process, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                command = [sys.executable, "-m", "neko.cli", "talk", "--text", "--url", proxy.through(house.url), "Yui"]
                talk: trio.Process = await nursery.start(partial(run, check=False), command)
                assert talk.stdin is not None
                assert talk.stdout is not None
                assert talk.stderr is not None
                await talk.stdin.send_all(b"Hello!\n")
                await until(talk.stdout, ANSWER)
                proxy.reset()
                await until(talk.stderr, b"trying again")
                await talk.stdin.send_all(b"And again?\n")
                await until(talk.stdout, b"\n")
                await until(talk.stdout, b"Yui: ")
                assert proxy.connections >= 2
                talk.send_signal(signal.SIGINT)
                assert await talk.wait() == 0


async def until(stream: trio.abc.ReceiveStream, wanted: bytes) -> None:
    got = b""
    while wanted not in got:
        piece = await stream.receive_some()
        assert piece, got
        got += piece
