"""What was said outlives the process, in order, and a disk that fails costs nobody a conversation."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from math import inf
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from neko.config.errors import ConfigError, StorageError
from neko.conversation.history import History, Role
from neko.conversation.journal import ResultBrought, ResultExpired, ResultTold
from neko.memory import Memory, open_memory
from neko.memory.finding import Wanted
from neko.memory.opening import FILE, open_database
from neko.memory.schema import MIGRATIONS, VERSION, migrate, version_of
from neko.memory.writing import MOST_WAITING
from neko.telemetry.metrics import Metrics
from tests.memories import Disk, remembered, said, texts


async def test_what_was_said_is_there_after_a_restart(tmp_path: Path) -> None:
    async with remembered(tmp_path) as memory:
        history = memory.of("Yui").history
        history.add(Role.USER, "before")
        history.mark_new()
        history.add(Role.USER, "hello", by="model_1")
        cut = history.add(Role.ASSISTANT, "Good morning, how are you?", mood="happy")
        unheard = history.add(Role.ASSISTANT, "Are you there?")
        history.cut(cut, "Good morning,")
        history.cut(unheard, "")
        memory.of("小天").history.add(Role.USER, "你好")
    async with remembered(tmp_path) as memory:
        again = memory.of("Yui").history
        assert said(again) == said(history)
        assert [(each.text, each.mood) for each in again.context()] == [("hello", ""), ("Good morning,", "happy")]
        assert again.add(Role.USER, "and on") == 4
        assert texts(memory.of("小天").history) == ["你好"]
        assert texts(memory.of("nobody").history) == []


async def test_results_that_wait_and_those_that_are_settled_are_known_again(tmp_path: Path) -> None:
    first, second = ResultBrought("a", 1.0, '{"text": "rain"}'), ResultBrought("b", 2.0, "{}")
    async with remembered(tmp_path) as memory:
        journal = memory.of("Yui").history.journal
        for entry in (second, first, ResultBrought("c", 3.0, "{}"), ResultBrought("d", 4.0, "{}")):
            journal.enter(entry)
        for settled in (ResultTold("c"), ResultExpired("d")):
            journal.enter(settled)
    async with remembered(tmp_path) as memory:
        past = memory.of("Yui")
        assert past.results == (first, second)
        assert past.settled == ("c", "d")


async def test_of_a_result_that_was_told_nothing_but_its_id_is_left(tmp_path: Path) -> None:
    async with remembered(tmp_path) as memory:
        journal = memory.of("Yui").history.journal
        journal.enter(ResultBrought("a", 1.0, "the doctor called"))
        journal.enter(ResultTold("a"))
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        assert database.execute("SELECT id, record FROM results").fetchall() == [("a", "")]


async def test_what_is_entered_during_a_commit_is_the_next_one(tmp_path: Path) -> None:
    disk = Disk()
    async with remembered(tmp_path, disk) as memory:
        history = memory.of("Yui").history
        disk.hold()
        history.add(Role.USER, "first")
        while not disk.commits:
            await trio.lowlevel.checkpoint()
        for number in range(100):
            history.add(Role.USER, str(number))
        disk.let_go()
        await memory.written()
        assert len(disk.commits) == 2


async def test_what_nobody_waits_for_is_gathered(tmp_path: Path) -> None:
    disk = Disk()
    async with remembered(tmp_path, disk) as memory:
        journal = memory.of("Yui").history.journal
        before = len(disk.commits)
        for number in range(20):
            journal.enter(ResultBrought(str(number), 1.0, "{}"))
            await trio.lowlevel.checkpoint()
        await journal.written()
        assert len(disk.commits) == before + 1


async def test_somebody_who_moves_in_again_is_the_same(tmp_path: Path) -> None:
    async with remembered(tmp_path) as memory:
        assert memory.of("Yui") is memory.of("Yui")


# --- the file -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(VERSION))
def test_each_older_file_becomes_one_of_today(tmp_path: Path, version: int) -> None:
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as old:
        for statements in MIGRATIONS[:version]:
            for statement in statements:
                old.execute(statement)
        old.execute(f"PRAGMA user_version = {version}")
    with closing(open_database(tmp_path)) as database:
        assert version_of(database) == VERSION
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_migration_that_fails_has_not_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(open_database(tmp_path)) as database:
        monkeypatch.setattr("neko.memory.schema.MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE more (id)", "nonsense")))
        monkeypatch.setattr("neko.memory.schema.VERSION", VERSION + 1)
        with pytest.raises(sqlite3.OperationalError):
            migrate(database)
        assert version_of(database) == VERSION
        assert database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'more'").fetchone() == (0,)


def test_what_waits_for_the_disk_survives_a_power_cut(tmp_path: Path) -> None:
    """WAL, and FULL: 2."""
    with closing(open_database(tmp_path)) as database:
        values = {key: database.execute(f"PRAGMA {key}").fetchone()[0] for key in ("journal_mode", "synchronous")}
        assert values == {"journal_mode": "wal", "synchronous": 2}


def refused(folder: Path) -> str:
    """Why the file is not opened; it is left as it is."""
    before = (folder / FILE).read_bytes()
    with pytest.raises(ConfigError) as caught:
        open_database(folder).close()
    assert (folder / FILE).read_bytes() == before
    assert str(folder / FILE) in str(caught.value)
    return caught.value.problem


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    with closing(open_database(tmp_path)) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    assert refused(tmp_path).startswith(f"was written by a newer neko (schema {VERSION + 1}, this one knows {VERSION})")


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as other:
        other.execute("CREATE TABLE accounts (id)")
    assert refused(tmp_path).startswith("is a database of another program")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"SQLite format 4" + bytes(range(256)) * 64)
    assert refused(tmp_path).startswith("is damaged (file is not a database)")


async def test_a_file_with_a_hole_is_refused(tmp_path: Path) -> None:
    async with remembered(tmp_path) as memory:
        for number in range(2_000):
            memory.of("Yui").history.add(Role.USER, f"sentence {number}")
    whole = (tmp_path / FILE).read_bytes()
    middle = len(whole) // 2 // 4096 * 4096
    (tmp_path / FILE).write_bytes(whole[:middle] + bytes(4096) + whole[middle + 4096 :])
    assert refused(tmp_path).startswith("is damaged (")


def test_a_folder_that_cannot_be_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        open_database(tmp_path / "file" / "folder")


async def test_two_houses_do_not_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neko.memory.opening.BUSY_WITHIN_S", 0.01)
    async with remembered(tmp_path) as memory:
        with pytest.raises(ConfigError, match="is in use by another neko"):
            open_database(tmp_path)
        memory.of("Yui").history.add(Role.USER, "still mine")
    async with remembered(tmp_path) as memory:
        assert texts(memory.of("Yui").history) == ["still mine"]


async def test_a_house_that_may_share_keeps_nothing_in_a_folder_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neko.memory.opening.BUSY_WITHIN_S", 0.01)
    async with remembered(tmp_path) as memory:
        memory.of("Yui").history.add(Role.USER, "mine")
        await memory.written()
        async with open_memory(tmp_path, Metrics(), alone=False) as other:
            assert "is in use by another neko" in other.elsewhere
            other.of("Yui").history.add(Role.USER, "not kept")
            await other.written()
            assert await other.page("Yui", Wanted(inf, 10)) == tuple(other.of("Yui").history)
        assert memory.elsewhere == ""
    async with remembered(tmp_path) as memory:
        assert texts(memory.of("Yui").history) == ["mine"]


# --- when the disk fails ------------------------------------------------------------------------------------------


async def test_a_full_disk_is_told_once_and_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neko.memory.writing.RETRY_S", 0.01)
    disk, told = Disk(), list[str]()
    async with remembered(tmp_path, disk) as memory:
        memory.call_in_trouble(lambda: told.append(str(memory.trouble)))
        history = memory.of("Yui").history
        disk.fill()
        for number in range(200):
            history.add(Role.USER, f"number {number} " * 100)
            await memory.written()
        assert told == [memory.trouble] == ["database or disk is full"]
        assert disk.counted("neko_memory_waiting") > 100  # the first ones find room in pages that were begun
        disk.empty()
        with trio.fail_after(10):
            while memory.trouble is not None:
                await trio.lowlevel.checkpoint()
        assert disk.counted("neko_memory_waiting") == 0
        assert disk.counted("neko_memory_failures_total") >= 1
    async with remembered(tmp_path) as memory:
        assert said(memory.of("Yui").history) == said(history)


async def test_what_no_disk_takes_is_bounded_and_counted(tmp_path: Path) -> None:
    disk = Disk()
    async with remembered(tmp_path, disk) as memory:
        history = memory.of("Yui").history
        disk.fill()
        for number in range(MOST_WAITING + 10):
            history.add(Role.USER, f"number {number}")
        assert disk.counted("neko_memory_given_up_total") == 10
        disk.empty()
    async with remembered(tmp_path) as memory:
        assert said(memory.of("Yui").history) == said(history)


async def test_a_disk_that_says_nothing_holds_nobody_up_for_long(tmp_path: Path, autojump_clock: MockClock) -> None:
    disk, told = Disk(), list[str]()
    async with remembered(tmp_path, disk) as memory:
        memory.call_in_trouble(lambda: told.append(str(memory.trouble)))
        disk.hold()
        began = trio.current_time()
        memory.of("Yui").history.add(Role.USER, "hello")
        await memory.written()
        assert trio.current_time() - began == 5
        await memory.written()
        assert trio.current_time() - began == 5
        assert told == ["the disk has not answered for 5 s"]
        disk.let_go()
    async with remembered(tmp_path) as memory:
        assert texts(memory.of("Yui").history) == ["hello"]


# --- whenever it is cancelled -------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_cancel_at_any_step_loses_nothing_and_closes_the_file(tmp_path: Path) -> None:
    """`step` is how many turns of the loop the house gets before it is cancelled."""
    for step in range(40):
        folder = tmp_path / str(step)
        history: History | None = None
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:
                nursery.start_soon(cancel_after, step, scope)
                async with open_memory(folder, Metrics()) as memory:
                    history = memory.of("Yui").history
                    while True:
                        history.add(Role.USER, "again")
                        await trio.lowlevel.checkpoint()
        async with remembered(folder) as memory:
            assert texts(memory.of("Yui").history) == (texts(history) if history else [])


async def cancel_after(steps: int, scope: trio.CancelScope) -> None:
    for _ in range(steps):
        await trio.lowlevel.checkpoint()
    scope.cancel()


# --- whatever happens, in whatever order --------------------------------------------------------------------------

WORDS = st.text(max_size=20)
STEPS = st.one_of(
    st.tuples(st.just("add"), st.sampled_from(Role), WORDS),
    st.tuples(st.just("cut"), st.integers(0, 40), WORDS),
    st.tuples(st.just("forget"), st.integers(0, 40), st.integers(0, 40)),
    st.sampled_from([("new",), ("written",), ("erased",), ("restart",)]),
)


@pytest.mark.slow
@settings(max_examples=60)
@given(st.lists(STEPS, max_size=40))
def test_what_is_read_is_what_was_known(steps: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        trio.run(live, Path(folder), steps)


async def live(folder: Path, steps: list[tuple[object, ...]]) -> None:
    restarts = [index for index, step in enumerate(steps) if step == ("restart",)]
    known: History | None = None
    for start, end in zip([0, *restarts], [*restarts, len(steps)], strict=True):
        async with remembered(folder) as memory:
            history = memory.of("Yui").history
            if known is not None:
                assert (said(history), history.mark) == (said(known), known.mark)
                assert [each.number for each in history.context()] == [each.number for each in known.context()]
            known = history
            for step in steps[start:end]:
                await perform(step, history, memory)
    async with remembered(folder) as memory:
        assert known is not None
        assert said(memory.of("Yui").history) == said(known)


async def perform(step: tuple[object, ...], history: History, memory: Memory) -> None:
    match step:
        case ("add", Role() as role, str(text)):
            history.add(role, text)
        case ("cut", int(number), str(heard)):
            history.cut(number, heard)
        case ("forget", int(first), int(last)):
            at = [each.at for each in history]
            history.forget(at[first] if first < len(at) else 0.0, at[last] if last < len(at) else 2e9)
        case ("new",):
            history.mark_new()
        case ("written",):
            await memory.written()
        case ("erased",):
            assert await memory.erased()
        case _:
            pass
