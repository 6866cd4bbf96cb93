"""The tools of a house: plug-ins, who may use which, and what their arguments have to be."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint, EntryPoints
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from neko.config import Configuration, parse
from neko.config.snapshot import Snapshot, take_snapshot
from neko.telemetry.metrics import Metrics
from neko.tools import Toolbox, ToolError, plug_in
from neko.tools.arguments import Schema

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


async def forecast(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"city": arguments["city"], "sky": "clear"}


def blocking(_: dict[str, Any]) -> str:
    time.sleep(0.01)
    return "done in a thread"


def hanging(_: dict[str, Any]) -> str:
    time.sleep(0.3)
    return "too late"


PLUG_INS = {
    "weather": SimpleNamespace(description="Tells it.", parameters=CITY, use=forecast),
    "blocking": SimpleNamespace(description="Blocks.", parameters={}, use=blocking),
    "hanging": SimpleNamespace(description="Hangs.", parameters={}, use=hanging),
    "crooked": SimpleNamespace(description="", parameters={"type": "thing"}, use=forecast),
}


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = EntryPoints(EntryPoint(name, f"tests.test_toolbox:{name}", plug_in.GROUP) for name in PLUG_INS)
    monkeypatch.setattr(EntryPoint, "load", lambda entry: PLUG_INS[entry.name])
    monkeypatch.setattr("neko.tools.plug_in.entry_points", lambda **_: entries)
    monkeypatch.setattr("neko.config.check.entry_points", lambda **_: entries)


def configured(names: str) -> Configuration:
    tables = "".join(f'[tools.{name}]\nkind = "entry_point"\n' for name in [*PLUG_INS, "clock"])
    return parse(f"{tables}[characters.Mimi]\ntools = {names.split()!r}", "neko.toml")


def snapshot(names: str) -> Snapshot:
    return take_snapshot(configured(names), "Mimi")


@asynccontextmanager
async def toolbox(names: str) -> AsyncIterator[Toolbox]:
    box = Toolbox({}, Metrics(), lambda: None)
    box.follow(configured(names))
    async with trio.open_nursery() as nursery:
        await nursery.start(box.run)
        await box.ready()
        yield box
        nursery.cancel_scope.cancel()


async def use(box: Toolbox, name: str, arguments: str) -> str:
    usable = box.find(snapshot(name), name)
    assert usable is not None
    return await usable.use(arguments)


async def test_a_plug_in_is_declared_under_the_name_of_its_table() -> None:
    async with toolbox("weather clock") as box:
        [weather, clock] = box.declared(snapshot("weather clock"))
        assert (weather.name, weather.description, weather.parameters) == ("weather", "Tells it.", CITY)
        assert clock.name == "clock"
        assert await use(box, "weather", '{"city":"Kobe"}') == '{"city":"Kobe","sky":"clear"}'


async def test_a_character_has_its_own_tools_only() -> None:
    async with toolbox("weather clock") as box:
        assert [tool.name for tool in box.declared(snapshot("clock"))] == ["clock"]
        assert box.find(snapshot("clock"), "weather") is None
        assert box.declared(snapshot("")) == ()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('{"town":"Kobe"}', "The arguments do not fit: 'city' is a required property (at $). Try again."),
        ('{"city":3}', "The arguments do not fit: 3 is not of type 'string' (at $.city). Try again."),
        ('["Kobe"]', "The arguments are no JSON object. Try again."),
        ("", "The arguments do not fit: 'city' is a required property (at $). Try again."),
    ],
)
async def test_arguments_that_do_not_fit_are_sent_back(arguments: str, said: str) -> None:
    async with toolbox("weather") as box:
        with pytest.raises(ToolError) as caught:
            await use(box, "weather", arguments)
        assert str(caught.value) == said


async def test_arguments_that_are_no_json_are_sent_back() -> None:
    async with toolbox("weather") as box:
        with pytest.raises(ToolError, match="not JSON"):
            await use(box, "weather", '{"city":')


def test_a_schema_that_points_elsewhere_is_not_fetched() -> None:
    schema = Schema({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema.json"}}})
    with pytest.raises(Exception, match="Unresolvable"):
        schema.arguments('{"a":1}')


async def test_a_plug_in_that_blocks_runs_in_a_thread() -> None:
    async with toolbox("blocking") as box:
        assert await use(box, "blocking", "") == "done in a thread"


async def test_a_thread_that_hangs_is_left_to_itself() -> None:
    async with toolbox("hanging") as box:
        with trio.move_on_after(0.01) as waiting:
            await use(box, "hanging", "{}")
        assert waiting.cancelled_caught
        text = box._metrics.exposition("")[0].decode()
        assert 'neko_abandoned_calls_total{vendor="hanging"} 1.0' in text


async def test_a_plug_in_that_cannot_be_loaded_is_left_out_and_says_why() -> None:
    async with toolbox("crooked weather") as box:
        assert [tool.name for tool in box.declared(snapshot("crooked weather"))] == ["weather"]
        assert "SchemaError" in box.problems["crooked"]


async def test_the_deadline_and_the_durability_are_the_table_s() -> None:
    box = Toolbox({}, Metrics(), lambda: None)
    table = '[tools.clock]\nkind = "entry_point"\ntimeout_s = 5\ndurable = true\n'
    configuration = parse(f'{table}[characters.Mimi]\ntools = ["clock"]', "neko.toml")
    of_mimi = take_snapshot(configuration, "Mimi")
    box.follow(configuration)
    async with trio.open_nursery() as nursery:
        await nursery.start(box.run)
        await box.ready()
        usable = box.find(of_mimi, "clock")
        assert usable is not None
        assert (usable.source, usable.within_s, usable.durable) == ("clock", 5, True)
        nursery.cancel_scope.cancel()


async def test_the_clock_tells_the_time_elsewhere() -> None:
    async with toolbox("clock") as box:
        assert "JST" in await use(box, "clock", '{"zone":"Asia/Tokyo"}')
        assert ":" in await use(box, "clock", "{}")
        with pytest.raises(ToolError, match="no time zone 'Nowhere/Land'"):
            await use(box, "clock", '{"zone":"Nowhere/Land"}')
