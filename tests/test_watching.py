"""The watched file: every way in which it is saved, and a real process that follows it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from attrs import define, field, frozen

from neko.app.watching import Source, signposts, watch_configuration
from neko.config.model import Configuration
from tests.watched_house import MIMI, PIRATE, SOON_S, YUI, Log, reading_log

slow = pytest.mark.slow  # a change counts when the file has rested for 0.1 s


def test_a_plain_file_is_its_own_signpost(tmp_path: Path) -> None:
    assert signposts(tmp_path / "neko.toml") == {tmp_path / "neko.toml"}
    assert signposts(tmp_path / "a" / ".." / "neko.toml") == {tmp_path / "a"}
    (tmp_path / "a").mkdir()
    assert signposts(tmp_path / "a" / ".." / "neko.toml") == {tmp_path / "neko.toml"}


def test_the_first_folder_that_is_missing_stands_for_all_behind_it(tmp_path: Path) -> None:
    assert signposts(tmp_path / "a" / "b" / "neko.toml") == {tmp_path / "a"}


def test_every_link_on_the_way_counts(tmp_path: Path) -> None:
    file = config_map(tmp_path, "v1", YUI)
    assert signposts(file) == {file, tmp_path / "..data", tmp_path / "v1" / "neko.toml"}
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.symlink_to(file.absolute())
    assert signposts(elsewhere) == {elsewhere} | signposts(file)


def test_a_link_to_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "neko.toml").symlink_to("neko.toml")
    assert signposts(tmp_path / "neko.toml") == {tmp_path / "neko.toml"}


@define
class Adopted:
    """What was handed over."""

    send: trio.MemorySendChannel[str]
    read: trio.MemoryReceiveChannel[str]
    places: list[str] = field(factory=list)

    def __call__(self, configuration: Configuration, place: str) -> None:
        self.places.append(place)
        self.send.send_nowait(next(iter(configuration.characters.values())).prompt)

    async def next(self) -> str:
        with trio.fail_after(SOON_S):
            return await self.read.receive()


@frozen
class Watch:
    file: Path
    adopted: Adopted
    log: Log


@asynccontextmanager
async def watching(*places: Path) -> AsyncIterator[Watch]:
    adopted = Adopted(*trio.open_memory_channel[str](inf))
    with reading_log() as log:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch_configuration, Source(places), adopted)
            yield Watch(places[0], adopted, log)
            nursery.cancel_scope.cancel()


def config_map(folder: Path, version: str, text: str) -> Path:
    """As a kubelet writes it: a folder for each version, a link to it that is replaced, a link to the file in there."""
    (folder / version).mkdir()
    (folder / version / "neko.toml").write_text(text, encoding="utf-8")
    (folder / "..data_tmp").symlink_to(version)
    (folder / "..data_tmp").rename(folder / "..data")
    file = folder / "neko.toml"
    if not file.is_symlink():
        file.symlink_to(Path("..data") / "neko.toml")
    return file


def written(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")


def renamed(file: Path, text: str) -> None:
    written(file.with_name(".neko.toml.swp"), text)
    file.with_name(".neko.toml.swp").rename(file)


def moved_away_first(file: Path, text: str) -> None:
    file.rename(file.with_name("neko.toml~"))
    written(file, text)


def deleted_first(file: Path, text: str) -> None:
    file.unlink()
    written(file, text)


def folder_moved_away(file: Path, text: str) -> None:
    file.parent.rename(tempfile.mkdtemp(dir=file.parent.parent))
    file.parent.mkdir()
    written(file, text)


def folder_and_all(file: Path, text: str) -> None:
    shutil.rmtree(file.parent)
    file.parent.mkdir()
    written(file, text)


@slow
@pytest.mark.parametrize("save", [written, renamed, moved_away_first, deleted_first, folder_moved_away, folder_and_all])
async def test_every_way_to_save_is_seen_each_time(tmp_path: Path, save: Callable[[Path, str], None]) -> None:
    (tmp_path / "conf").mkdir()
    written(tmp_path / "conf" / "neko.toml", YUI)
    async with watching(tmp_path / "conf" / "neko.toml") as watch:
        assert await watch.adopted.next() == "You are a baker."
        for prompt in ("pirate", "poet", "pilot"):
            save(watch.file, YUI.replace("baker", prompt))
            assert await watch.adopted.next() == f"You are a {prompt}."


@slow
async def test_a_config_map_that_is_replaced(tmp_path: Path) -> None:
    file = config_map(tmp_path, "v0", YUI)
    async with watching(file) as watch:
        assert await watch.adopted.next() == "You are a baker."
        for number, prompt in enumerate(("pirate", "poet"), start=1):
            config_map(tmp_path, f"v{number}", YUI.replace("baker", prompt))
            assert await watch.adopted.next() == f"You are a {prompt}."
            shutil.rmtree(tmp_path / f"v{number - 1}")


@slow
async def test_a_file_appears_where_there_was_none_and_stays_the_one(tmp_path: Path) -> None:
    near, far = tmp_path / "neko.toml", tmp_path / "config" / "neko" / "neko.toml"
    async with watching(near, far) as watch:
        await trio.sleep(0.2)  # for a watch of an empty place, which says nothing
        far.parent.mkdir(parents=True)
        written(far, YUI)
        assert await watch.adopted.next() == "You are a baker."
        written(near, PIRATE)
        written(far, YUI.replace("baker", "poet"))
        assert await watch.adopted.next() == "You are a poet."
        assert watch.adopted.places == [str(far), str(far)]


@slow
async def test_a_file_that_is_gone_or_empty_changes_nothing(tmp_path: Path) -> None:
    written(tmp_path / "neko.toml", YUI)
    async with watching(tmp_path / "neko.toml") as watch:
        await watch.adopted.next()
        watch.file.unlink()
        gone = await watch.log.next("config.refused")
        watch.file.touch()
        empty = await watch.log.next("config.refused")
        written(watch.file, PIRATE)
        assert await watch.adopted.next() == "You are a pirate."
        assert len(watch.adopted.places) == 2
    assert gone["details"].startswith(f"{watch.file}: cannot be read: No such file or directory; what was in force")
    assert empty["details"].startswith(f"{watch.file}: is empty; what was in force")


@frozen
class Observed(Source):
    """Tells of each look at the file."""

    looks: trio.MemorySendChannel[None] = field(kw_only=True)

    def read(self) -> tuple[Path, str] | None:
        found = super().read()
        trio.from_thread.run_sync(self.looks.send_nowait, None)
        return found


@slow
@pytest.mark.parametrize("text", [YUI, "[characters.Yui"])
async def test_the_same_text_again_is_nothing_new(tmp_path: Path, text: str) -> None:
    """Neither taken over again nor refused again."""
    file = tmp_path / "neko.toml"
    written(file, text)
    adopted = Adopted(*trio.open_memory_channel[str](inf))
    send, looks = trio.open_memory_channel[None](inf)
    with reading_log() as log, trio.fail_after(SOON_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch_configuration, Observed((file,), looks=send), adopted)
            await looks.receive()
            renamed(file, text)
            await looks.receive()
            written(file, PIRATE)
            await looks.receive()
            while adopted.places[1 if text == YUI else 0 :] == []:
                await adopted.next()
            nursery.cancel_scope.cancel()
        lines = log.lines.statistics().current_buffer_used
    assert (len(adopted.places), lines) == ((2, 0) if text == YUI else (1, 1))


@slow
async def test_a_bug_in_the_house_costs_one_reading(tmp_path: Path) -> None:
    def broken(_configuration: Configuration, _place: str) -> None:
        raise ZeroDivisionError

    written(tmp_path / "neko.toml", YUI)
    with reading_log() as log:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch_configuration, Source((tmp_path / "neko.toml",)), broken)
            await log.next("config.bug")
            written(tmp_path / "neko.toml", PIRATE)
            await log.next("config.bug")
            nursery.cancel_scope.cancel()


async def test_a_folder_that_may_not_be_looked_into_ends_the_watch_and_not_the_house(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(place: Path) -> set[Path]:
        raise PermissionError(13, "permission denied", str(place))

    monkeypatch.setattr("neko.app.watching.signposts", forbidden)
    with reading_log() as log, trio.fail_after(SOON_S):
        await watch_configuration(Source((tmp_path / "neko.toml",)), lambda *_: None)
        assert "permission denied" in (await log.next("config.not_watched"))["details"]


@slow
async def test_a_cancel_ends_the_watch(tmp_path: Path) -> None:
    """The library by itself would hold us for five seconds."""
    written(tmp_path / "neko.toml", YUI)
    async with watching(tmp_path / "neko.toml") as watch:
        await watch.adopted.next()
        await trio.sleep(0.2)
        cancelled = time.perf_counter()
    assert time.perf_counter() - cancelled < 2


@slow
async def test_serve_follows_its_file_and_still_drains(tmp_path: Path) -> None:
    file = tmp_path / "neko.toml"
    written(file, YUI)
    command = [sys.executable, "-m", "neko.cli", "serve", "--config", str(file), "--port", "0", "--log", "json"]
    environ = {**os.environ, "NEKO_DATA": str(tmp_path / "data")}
    send, lines = trio.open_memory_channel[dict[str, Any]](inf)

    async def read(stream: trio.abc.ReceiveStream) -> None:
        rest = b""
        async for chunk in stream:
            *whole, rest = (rest + bytes(chunk)).split(b"\n")
            for line in whole:
                send.send_nowait(orjson.loads(line))

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            start = partial(trio.run_process, command, stdout=-3, stderr=-1, env=environ, check=False)
            process = await nursery.start(start)
            nursery.start_soon(read, process.stderr)
            log = Log(lines)
            seen = [await log.next("config.read")]
            for text in (PIRATE, PIRATE + "voise = 1\n", PIRATE + MIMI):
                renamed(file, text)
                seen.append(await log.next("config.read", "config.refused"))
            process.terminate()
    assert [(line["event"], line.get("touched"), line.get("added")) for line in seen] == [
        ("config.read", [], []),
        ("config.read", ["Yui"], []),
        ("config.refused", None, None),
        ("config.read", [], ["Mimi"]),
    ]
    assert process.returncode == 0
