"""What a person can do with what was said: read on in it, search it, take it home, and have it forgotten."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import define

from neko.app import House, open_house
from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.conversation.history import Role, Utterance
from neko.conversation.journal import Corrected, Forgot, Said
from neko.memory.entering import Entered, erase_traces, write
from neko.memory.opening import open_database
from tests.memories import remembered
from tests.watched_house import SCRIPTED

CHARACTERS = SCRIPTED + '[characters.Yui]\n[characters."小天"]\n'
DAY = 86_400.0
NOON = 1_793_620_800.0  # 2026-11-02T12:00:00Z


@define
class Home:
    house: House
    http: httpx.AsyncClient

    async def history(self, **asked: Any) -> list[str]:
        response = await self.http.get("/api/characters/Yui/history", params=asked)
        assert response.status_code == 200, response.text
        return [each["text"] for each in response.json()["history"]]

    async def forget(self, **asked: Any) -> list[str]:
        response = await self.http.delete("/api/characters/Yui/history", params=asked)
        assert response.status_code == 200, response.text
        return [each["text"] for each in response.json()["history"]]

    async def refusal(self, method: str, **asked: Any) -> str:
        response = await self.http.request(method, "/api/characters/Yui/history", params=asked)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "INVALID_VALUE")
        return str(response.json()["error"]["details"])


@asynccontextmanager
async def home(folder: Path, characters: str = CHARACTERS) -> AsyncIterator[Home]:
    config = ConfigManager(parse(characters, "neko.toml"), OverrideStore.in_folder(folder))
    async with (
        open_house(config, host="127.0.0.1", port=0, on_progress=lambda *_: None) as house,
        httpx.AsyncClient(base_url=house.url, trust_env=False) as http,
    ):
        yield Home(house, http)


async def keep(folder: Path, *said: tuple[str, float], name: str = "Yui") -> None:
    """Both sides in turn, at these times."""
    async with remembered(folder) as memory:
        journal = memory.of(name).history.journal
        for number, (text, at) in enumerate(said):
            journal.enter(Said(Utterance((Role.USER, Role.ASSISTANT)[number % 2], text, at, number)))


async def test_a_page_at_a_time_back_to_the_beginning(tmp_path: Path) -> None:
    await keep(tmp_path, *((f"number {number}", NOON + number // 2) for number in range(10)))
    async with home(tmp_path) as visit:
        assert await visit.history() == [f"number {number}" for number in range(10)]
        pages, before = list[list[str]](), NOON + DAY
        while page := await visit.history(before=before, limit=3):
            pages.append(page)
            before = NOON + int(page[0].split()[1]) // 2
        assert pages == [
            ["number 6", "number 7", "number 8", "number 9"],  # two at a moment stay together
            ["number 2", "number 3", "number 4", "number 5"],
            ["number 0", "number 1"],
        ]


async def test_what_is_older_than_what_is_at_hand_is_read_too(tmp_path: Path) -> None:
    await keep(tmp_path, *((f"number {number}", NOON + number) for number in range(2_100)))
    async with home(tmp_path) as visit:
        assert len(await visit.history()) == 2_000
        assert await visit.history(before=NOON + 2, limit=500) == ["number 0", "number 1"]


async def test_what_was_just_said_is_found_and_its_time_is_told(tmp_path: Path) -> None:
    async with home(tmp_path) as visit:
        before = time.time()
        visit.house.managers["Yui"].history.add(Role.USER, "It rains again")
        response = await visit.http.get("/api/characters/Yui/history", params={"q": "rain"})
        (found,) = response.json()["history"]
        assert (found["role"], found["text"]) == ("user", "It rains again")
        assert before <= found["at"] <= time.time()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("cat", ["My cat is called Tama.", "Cats love Café au lait"]),  # the last word may be unfinished
        ("cat tama", ["My cat is called Tama."]),
        ("CAFE", ["Cats love Café au lait"]),
        ("京都", ["昨日は京都で黒い猫を見たよ", "我昨天在京都看见一只黑猫。"]),
        ("猫", ["昨日は京都で黒い猫を見たよ", "我昨天在京都看见一只黑猫。"]),
        ("黒い猫", ["昨日は京都で黒い猫を見たよ"]),
        ("黑猫", ["我昨天在京都看见一只黑猫。"]),
        ("都京", []),
        ("고양이", ["고양이가 좋아요"]),
        ("at", []),  # no beginning of a word
        ('"', []),
        ("tama OR nothing", []),  # words, and no operators
    ],
)
async def test_search_in_several_scripts(tmp_path: Path, query: str, found: list[str]) -> None:
    lines = [
        "My cat is called Tama.",
        "Cats love Café au lait",
        "昨日は京都で黒い猫を見たよ",
        "我昨天在京都看见一只黑猫。",
        "고양이가 좋아요",
    ]
    await keep(tmp_path, *((line, NOON + number) for number, line in enumerate(lines)))
    await keep(tmp_path, ("a cat of somebody else, 京都", NOON), name="小天")
    async with home(tmp_path) as visit:
        assert await visit.history(q=query) == found


async def test_what_was_corrected_is_found_as_it_was_heard(tmp_path: Path) -> None:
    async with home(tmp_path) as visit:
        history = visit.house.managers["Yui"].history
        history.cut(history.add(Role.ASSISTANT, "Shall we talk of whales or of penguins?"), "Shall we talk of whales")
        history.cut(history.add(Role.ASSISTANT, "Nobody ever heard of penguins."), "")
        assert await visit.history(q="whales") == ["Shall we talk of whales"]
        assert await visit.history(q="penguins") == []


async def test_everything_is_exported(tmp_path: Path) -> None:
    await keep(tmp_path, *((f"数 {number}", NOON + number) for number in range(2_100)), name="小天")
    async with home(tmp_path) as visit:
        visit.house.managers["小天"].history.add(Role.ASSISTANT, "好", mood="happy")
        response = await visit.http.get("/api/characters/小天/history/export")
        assert response.headers["content-type"] == "application/json"
        assert response.headers["content-disposition"] == (
            "attachment; filename=\"%E5%B0%8F%E5%A4%A9.json\"; filename*=UTF-8''%E5%B0%8F%E5%A4%A9.json"
        )
        exported = response.json()
        assert exported["name"] == "小天"
        assert [each["text"] for each in exported["history"]] == [*(f"数 {number}" for number in range(2_100)), "好"]
        assert exported["history"][0] == {"role": "user", "text": "数 0", "at": NOON, "mood": ""}
        assert exported["history"][-1]["mood"] == "happy"
        empty = await visit.http.get("/api/characters/Yui/history/export")
        assert empty.json() == {"name": "Yui", "history": []}


# --- forgetting ---------------------------------------------------------------------------------------------------

SECRET = "Rumpelstilzchen"


def in_files(folder: Path, word: str) -> bool:
    """Another process reads: a file that is opened and closed here would let go of SQLite's lock."""
    found = subprocess.run(["grep", "-rliF", word, str(folder)], check=False, capture_output=True)
    return found.returncode == 0


@pytest.mark.slow
async def test_of_what_is_forgotten_no_byte_is_left(tmp_path: Path) -> None:
    """Of the text, of its word in the index, or of an earlier wording; between much that stays."""
    async with home(tmp_path) as visit:
        history = visit.house.managers["Yui"].history
        for number in range(3_000):
            history.add(
                Role.USER, f"{SECRET}{number} goes by the name of 秘密{number}" if number % 3 else f"dull {number}"
            )
            if number % 100 == 0:
                await visit.house.memory.written()
        history.cut(2, f"{SECRET}, cut")
        other = visit.house.managers["小天"].history
        other.add(Role.USER, "mine to keep")
        await visit.house.memory.written()
        assert in_files(tmp_path, SECRET)
        assert await visit.forget() == []
        assert not in_files(tmp_path, SECRET)
        assert not in_files(tmp_path, "秘密")
        assert in_files(tmp_path, "mine to keep")
        history.add(Role.USER, "a new beginning")
    assert not in_files(tmp_path, SECRET)
    async with home(tmp_path) as visit:
        assert await visit.history() == ["a new beginning"]
        assert await visit.history(q=SECRET) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_no_copy_is_left_where_pages_were_split(tmp_path: Path, seed: int) -> None:
    """Half of much talk, of all lengths, corrected up and down: SQLite has moved its rows about, and overwrites only
    what it deletes."""
    rng = random.Random(seed)
    with closing(open_database(tmp_path)) as database:
        for first in range(0, 2_000, 20):
            write(database, [each for number in range(first, first + 20) for each in chatter(rng, number)])
        write(database, [Entered("Yui", Forgot(0.0, NOON), 0.0)])
        erase_traces(database)
    assert not in_files(tmp_path, SECRET)
    assert in_files(tmp_path, "harmless")


def chatter(rng: random.Random, number: int) -> Iterator[Entered]:
    word, at = rng.choice([(SECRET, NOON - 1), ("harmless", NOON + 1)])
    text = " ".join(f"{word}{rng.randrange(10**6)}" for _ in range(rng.choice([1, 5, 20, 100, 400])))
    yield Entered("Yui", Said(Utterance(Role.USER, text, at, number)), 0.0)
    if rng.random() < 0.3:
        heard = "harmless" * rng.choice([0, 1, 50, 800])
        yield Entered("Yui", Corrected(rng.randrange(number + 1), heard), 0.0)


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({}, []),
        ({"before": NOON + DAY}, ["tuesday", "wednesday"]),
        ({"since": NOON + DAY}, ["monday"]),
        ({"since": NOON + 1, "before": NOON + DAY + 1}, ["monday", "wednesday"]),
        ({"at": NOON + DAY}, ["monday", "wednesday"]),
        ({"before": "2026-11-03T12:00:00Z"}, ["tuesday", "wednesday"]),
    ],
)
async def test_a_part_of_it_is_forgotten(tmp_path: Path, asked: dict[str, Any], left: list[str]) -> None:
    days = ("monday", "tuesday", "wednesday")
    await keep(tmp_path, *((day, NOON + number * DAY) for number, day in enumerate(days)))
    async with home(tmp_path) as visit:
        assert await visit.forget(**asked) == left
        assert await visit.history(limit=10) == left
        assert [day for day in days if in_files(tmp_path, day)] == left


async def test_a_character_that_is_gone_can_be_read_and_forgotten(tmp_path: Path) -> None:
    await keep(tmp_path, ("old times", NOON))
    async with home(tmp_path, SCRIPTED + "[characters.Mimi]\n") as visit:
        assert await visit.history() == ["old times"]
        assert await visit.forget() == []
        assert not in_files(tmp_path, "old times")


async def test_a_request_that_could_mean_something_else_forgets_nothing(tmp_path: Path) -> None:
    await keep(tmp_path, ("old times", NOON))
    async with home(tmp_path) as visit:
        assert "accepted: since, before, at" in await visit.refusal("DELETE", until=NOON)
        assert "before is 'noon'; accepted: Unix time" in await visit.refusal("DELETE", before="noon")
        assert "at is '1'; accepted: no other parameter" in await visit.refusal("DELETE", at="1", before="2")
        assert "before is 'nan'; accepted: Unix time" in await visit.refusal("GET", before="nan")
        for limit in ("0", "501", "-1", "x", "9" * 5_000):
            assert "accepted: a whole number from 1 to 500" in await visit.refusal("GET", limit=limit)
        assert await visit.history() == ["old times"]


async def test_a_disk_that_does_not_take_it_is_told(tmp_path: Path) -> None:
    async with home(tmp_path) as visit:
        visit.house.managers["Yui"].history.add(Role.USER, "hello " * 2_000)
        await visit.house.memory.written()
        database = visit.house.memory._writer._database
        database.execute("PRAGMA query_only = ON")
        response = await visit.http.delete("/api/characters/Yui/history")
        assert (response.status_code, response.json()["error"]["code"]) == (500, "SERVER_ERROR")
        assert "it is tried again" in response.json()["error"]["details"]
        assert await visit.history() == []
        health = (await visit.http.get("/health")).json()
        assert health["detail"]["memory"] == "nothing is kept: attempt to write a readonly database"
        database.execute("PRAGMA query_only = OFF")
    assert not in_files(tmp_path, "hello")
