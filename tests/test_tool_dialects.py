"""Tools in every provider's dialect, over sockets: cut short, going on, late, failing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from neko.app import open_house
from neko.client import CharacterClient, connect
from neko.client.turn import one_turn
from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.nurseries.calls import CANCELLED, GOES_ON
from neko.nurseries.tooling import LATE
from neko.protocol.client import InputType
from neko.testing import DIALECTS, Behaviour, Provider, ToolCall, open_provider

pytestmark = pytest.mark.slow
KINDS = sorted(DIALECTS)
SOON_S = 30.0
CONFIG = """
[providers.x]
kind = "{kind}"
url = "{url}"
model = "sim"
[tools.nap]
kind = "entry_point"
{tool}
[characters.Mimi]
provider = "x"
text_provider = "x"
tools = ["nap"]
[characters.Mimi.session]
prepare = "due"
"""


async def nap(arguments: dict[str, Any]) -> str:
    await trio.sleep(arguments["seconds"])
    return "rested"


async def fall(_: dict[str, Any]) -> str:
    raise RuntimeError("fell out of bed")


class Naps:
    """The plug-in `nap`; `started` once it is at work."""

    def __init__(self, use: Any = nap) -> None:
        self.started = trio.Event()
        self._use = use
        self.plug_in = SimpleNamespace(description="Sleeps.", parameters={"type": "object"}, use=self.use)

    async def use(self, arguments: dict[str, Any]) -> Any:
        self.started.set()
        return await self._use(arguments)


def install(monkeypatch: pytest.MonkeyPatch, naps: Naps) -> None:
    entries = EntryPoints([EntryPoint("nap", "tests:nap", "neko.tools")])
    monkeypatch.setattr(EntryPoint, "load", lambda _: naps.plug_in)
    monkeypatch.setattr("neko.tools.plug_in.entry_points", lambda **_: entries)
    monkeypatch.setattr("neko.config.check.entry_points", lambda **_: entries)


@asynccontextmanager
async def talk(
    folder: Path, kind: str, seconds: float, *says: str, tool: str = ""
) -> AsyncIterator[tuple[CharacterClient, Provider]]:
    """A conversation with a model that first asks for a nap of so many seconds, and then says this."""
    behaviour = Behaviour(replies=(ToolCall("nap", f'{{"seconds":{seconds}}}'), *says), response_ms=40)
    async with open_provider(behaviour, DIALECTS[kind]) as provider:
        text = CONFIG.format(kind=kind, url=provider.url, tool=tool)
        config = ConfigManager(parse(text, "neko.toml"), OverrideStore.in_folder(folder))
        with trio.fail_after(SOON_S):
            async with open_house(config, host="127.0.0.1", port=0, on_progress=lambda *_: None) as house:
                await house.ready()
                async with connect(house.url, "Mimi") as client:
                    await client.start(InputType.AUDIO)
                    yield client, provider


async def next_words(client: CharacterClient) -> str:
    while not (reply := await one_turn(client)).text:
        pass
    return reply.text


@pytest.mark.parametrize("kind", KINDS)
async def test_typing_cancels_it(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, naps := Naps())
    async with talk(tmp_path, kind, 300, "Never mind, then.") as (client, provider):
        await client.send_text("Take a nap.")
        await naps.started.wait()
        await client.send_text("No, stay.")
        assert await next_words(client) == "Never mind, then."
        assert CANCELLED in str((await provider.session()).got)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_durable_one_goes_on_and_is_told_of(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, naps := Naps())
    async with talk(tmp_path, kind, 0.5, "I will.", "I have rested.", tool="durable = true") as (client, provider):
        await client.send_text("Take a nap.")
        await naps.started.wait()
        await client.send_text("And then?")
        assert await next_words(client) == "I will."
        assert await next_words(client) == "I have rested."
        told = str((await provider.session()).got)
        assert GOES_ON in told
        assert "answers: rested" in told


@pytest.mark.parametrize("kind", KINDS)
async def test_one_that_is_too_slow_is_said_to_be(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Naps())
    async with talk(tmp_path, kind, 300, "It does not wake up.", tool="timeout_s = 0.1") as (client, provider):
        await client.send_text("Take a nap.")
        assert await next_words(client) == "It does not wake up."
        assert LATE.format(0.1) in str((await provider.session()).got)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_one_raises_is_told_to_the_model(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Naps(fall))
    async with talk(tmp_path, kind, 1, "Ouch.") as (client, provider):
        await client.send_text("Take a nap.")
        assert await next_words(client) == "Ouch."
        assert "fell out of bed" in str((await provider.session()).got)
