"""`kill -9` at two hundred random moments: the file opens, and every turn that was told to be over is in it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing
from functools import partial
from pathlib import Path

import pytest
import trio
from attrs import define, field

from neko.client import CharacterClient, ClientError, connect, one_turn
from neko.memory.opening import open_database
from neko.protocol.client import InputType

LIVES, SIDE_BY_SIDE = 100, 2
BORN_S = 0.5  # at most, of a life that may end before anything was said: a server listens after 0.1 to 0.4
TALKED_S = 0.5  # at most, of the others: a turn of the script takes 0.02 to 0.06
CONFIG = """
[server]
data_dir = '{folder}'
[providers.local]
kind = 'local'
model = 'scripted'
[agents]
analyze_push = 'ipc://{folder}/analyze'
session_pub = 'ipc://{folder}/session'
result_pull = 'ipc://{folder}/result'
"""


@define
class Person:
    """What one person was told, over all lives of the server."""

    rng: random.Random
    finished: list[tuple[str, str]] = field(factory=list)  # what was asked, and the whole answer
    asked: int = 0
    talking: trio.Event = field(factory=trio.Event)
    enough: trio.Event = field(factory=trio.Event)  # turns for this life
    turns_left: int = 0

    def born(self) -> None:
        self.talking, self.enough, self.turns_left = trio.Event(), trio.Event(), self.rng.randint(1, 4)

    async def talk(self, url: str) -> None:
        """Until the server is dead."""
        try:
            async with connect(url, "Yui") as client:
                await client.start(InputType.TEXT)
                self.talking.set()
                while True:
                    await self._take_turn(client)
        except ClientError:
            pass

    async def _take_turn(self, client: CharacterClient) -> None:
        question = self._question()
        await client.send_text(question)
        answer = (await one_turn(client)).text
        self.finished.append((question, answer.strip()))
        self.turns_left -= 1
        if self.turns_left == 0:
            self.enough.set()

    def _question(self) -> str:
        self.asked += 1
        return f"question {self.asked} {'and on ' * self.rng.choice([0, 1, 500])}".strip()


@define
class Neko:
    """One life of a server."""

    pid: int
    lines: AsyncIterator[str]

    async def url(self) -> str | None:
        """None: it died before it listened."""
        async for line in self.lines:
            if line.startswith("neko listens at "):
                return line.split()[-1]
            if line == "over":
                return None
        raise AssertionError("the zygote is gone")

    async def over(self) -> None:
        async for line in self.lines:
            if line == "over":
                return


@asynccontextmanager
async def zygote() -> AsyncIterator[trio.Process]:
    environ = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    run = partial(trio.run_process, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(
            partial(run, check=False, env=environ), [sys.executable, "-m", "tests.zygote"]
        )
        yield process
        assert process.stdin is not None
        await process.stdin.aclose()


async def lines_of(stream: trio.abc.ReceiveStream) -> AsyncGenerator[str, None]:
    rest = b""
    async for piece in stream:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.decode()


async def live(process: trio.Process, lines: AsyncIterator[str], config: Path, person: Person) -> None:
    """A server is born, talked to, and killed at some moment of it."""
    assert process.stdin is not None
    await process.stdin.send_all(f"{config}\n".encode())
    neko = Neko(int((await anext(lines)).split()[1]), lines)
    person.born()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kill, neko.pid, person)
        url = await neko.url()
        if url is not None:
            await person.talk(url)
            await neko.over()


async def kill(pid: int, person: Person) -> None:
    """While it starts, at some moment of the talk, or as soon as the person knows that a turn is over."""
    match person.rng.choice(["start", "talk", "talk", "end", "end"]):
        case "start":
            await trio.sleep(person.rng.uniform(0, BORN_S))
        case "talk":
            await person.talking.wait()
            await trio.sleep(person.rng.uniform(0, TALKED_S))
        case "end":
            await person.enough.wait()
    os.kill(pid, signal.SIGKILL)


def kept(folder: Path) -> list[str]:
    """What is in the file, which is sound, in order."""
    with closing(open_database(folder)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        database.execute("INSERT INTO words (words) VALUES ('integrity-check')")
        return [text for (text,) in database.execute("SELECT text FROM utterances ORDER BY number")]


def check(folder: Path, person: Person) -> None:
    said = kept(folder)
    place = {text: index for index, text in enumerate(said)}
    for question, answer in person.finished:
        assert said[place[question] + 1] == answer


def at_home(folder: Path) -> Path:
    """A configuration that keeps everything in there."""
    folder.mkdir()
    config = folder / "neko.toml"
    config.write_text(CONFIG.format(folder=folder))
    return config


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7])
async def test_every_turn_that_ended_is_there(tmp_path: Path, seed: int) -> None:
    """A process that is killed leaves to the next what it gave to the kernel; a power cut does not, and that is what
    `synchronous=FULL` is for (`tests/test_memory.py`)."""
    people = [Person(random.Random(seed + number)) for number in range(SIDE_BY_SIDE)]
    async with trio.open_nursery() as nursery:
        for number, person in enumerate(people):
            nursery.start_soon(many_lives, tmp_path / str(number), person)
    finished, asked = sum(len(person.finished) for person in people), sum(person.asked for person in people)
    assert LIVES < finished < asked


async def many_lives(folder: Path, person: Person) -> None:
    config = at_home(folder)
    async with zygote() as process:
        assert process.stdout is not None
        async with aclosing(lines_of(process.stdout)) as lines:
            for _ in range(LIVES):
                with trio.fail_after(30):
                    await live(process, lines, config, person)
                await trio.to_thread.run_sync(check, folder, person)
