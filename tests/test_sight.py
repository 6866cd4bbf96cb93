"""A character whose model does not see is told in words what the person shows, and keeps nobody waiting for that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.config.snapshot import Snapshot
from neko.nurseries.sight import EVERY_S, SHOWN, WITHIN_S
from neko.realtime.chat import ChatEndpoint
from neko.realtime.chat import open_chat as open_chat_model
from neko.realtime.describe import describe
from neko.realtime.errors import ProviderError, Unreachable
from neko.realtime.session import Line, See
from neko.testing import ChatReply, open_chat
from neko.testing.person import Person, open_person
from tests.eager_house import EagerHouse, speak, start, wish

CHARACTERS = """
[providers.eyes]
kind = "chat"
url = "http://127.0.0.1:1/v1"
[characters.Mimi]
vision = "eyes"
"""
TAKES_S = 2.0


@define
class Eyes:
    """A vision model: what it was shown, and what it says of it."""

    takes_s: float = TAKES_S
    refusal: ProviderError | None = None
    shown: list[str] = field(factory=list)

    async def __call__(self, snapshot: Snapshot, url: str) -> str:
        assert snapshot.vision is not None
        self.shown.append(url)
        await trio.sleep(self.takes_s)
        if self.refusal is not None:
            raise self.refusal
        return f"words for {url}"


@pytest.fixture
def eyes() -> Eyes:
    return Eyes()


@pytest.fixture
async def house(tmp_path: Path, eyes: Eyes) -> AsyncIterator[EagerHouse]:
    house = EagerHouse(tmp_path, CHARACTERS, eyes)
    house.models.sees = False
    async with trio.open_nursery() as nursery:
        await nursery.start(house.mimi.run)
        yield house
        nursery.cancel_scope.cancel()


def picture(name: str) -> str:
    return f"data:image/png;base64,{name}"


async def show(person: Person, *names: str) -> None:
    for name in names:
        await person.send("stream_data", input_type="screen", data=picture(name))
    await wait_all_tasks_blocked()


async def described() -> None:
    await trio.sleep(TAKES_S)
    await wait_all_tasks_blocked()


def words_for(name: str) -> Line:
    return Line("system", SHOWN.format(f"words for {picture(name)}"))


async def test_the_model_is_told_what_is_shown(house: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(house.mimi) as person:
        await start(person)
        await show(person, "AAAA")
        await described()
        assert house.current.primed == [words_for("AAAA")]
        assert (house.current.got, person.codes()) == ([], [])


async def test_nobody_waits_for_a_description(house: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(house.mimi) as person:
        await start(person)
        await show(person, "AAAA")
        begun = trio.current_time()
        await speak(person, 100)
        await house.turn(1)
        assert len(house.current.heard) == 24_000 // 10 * 2
        assert [frame["text"] for frame in person.of("gemini_response")] == ["answer 1"]
        assert trio.current_time() - begun < TAKES_S
        assert house.current.primed == []


async def test_of_many_pictures_the_youngest_is_described(
    house: EagerHouse, eyes: Eyes, autojump_clock: MockClock
) -> None:
    async with open_person(house.mimi) as person:
        await start(person)
        await show(person, "AAAA")
        await show(person, "BBBB", "CCCC", "DDDD")
        await trio.sleep(TAKES_S + EVERY_S - 0.1)
        assert eyes.shown == [picture("AAAA")]
        await trio.sleep(TAKES_S + EVERY_S)
        assert eyes.shown == [picture("AAAA"), picture("DDDD")]
        assert house.current.primed == [words_for("AAAA"), words_for("DDDD")]


async def test_the_same_words_are_told_once(house: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(house.mimi) as person:
        await start(person)
        for _ in range(3):
            await show(person, "AAAA")
            await trio.sleep(TAKES_S + EVERY_S)
        assert house.current.primed == [words_for("AAAA")]


async def test_the_session_in_its_place_is_told_too(house: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(house.mimi) as person:
        await start(person)
        await show(person, "AAAA")
        await described()
        old = house.current
        await wish(person, "now")
        await trio.sleep(1)
        assert house.current is not old
        assert house.current.primed == [words_for("AAAA")]


async def test_a_model_that_sees_is_shown_the_picture(house: EagerHouse, eyes: Eyes, autojump_clock: MockClock) -> None:
    house.models.sees = True
    async with open_person(house.mimi) as person:
        await start(person)
        await show(person, "AAAA")
        await described()
        assert house.current.got == [See(picture("AAAA"))]
        assert (eyes.shown, house.current.primed) == ([], [])


async def test_a_typed_conversation_sees_as_well(house: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(house.mimi) as person:
        await start(person, "text")
        await show(person, "AAAA")
        await described()
        assert house.current.primed == [words_for("AAAA")]


@pytest.mark.parametrize(
    ("takes_s", "refusal", "code"),
    [(TAKES_S, Unreachable("nobody is there"), "API_UNREACHABLE"), (2 * WITHIN_S, None, "API_UNREACHABLE")],
)
async def test_that_nothing_is_seen_is_said_once(
    house: EagerHouse, eyes: Eyes, autojump_clock: MockClock, takes_s: float, refusal: ProviderError | None, code: str
) -> None:
    eyes.takes_s, eyes.refusal = takes_s, refusal
    async with open_person(house.mimi) as person:
        await start(person)
        for _ in range(3):
            await show(person, "AAAA")
            await trio.sleep(WITHIN_S + EVERY_S)
        assert (len(eyes.shown), person.codes()) == (3, [code])
        eyes.takes_s, eyes.refusal = TAKES_S, None
        await show(person, "BBBB")
        await trio.sleep(TAKES_S + EVERY_S)
        assert house.current.primed == [words_for("BBBB")]


async def test_what_a_vision_model_is_asked() -> None:
    async with open_chat(ChatReply(pieces=("A cat ", "on a roof."))) as fake:
        async with open_chat_model(ChatEndpoint(fake.url, "sees:7b", "secret")) as model:
            assert await describe(model, picture("AAAA"), "ja") == "A cat on a roof."
        [request] = fake.requests
        [message] = request.body["messages"]
        assert [part["type"] for part in message["content"]] == ["text", "image_url"]
        assert "in the language ja" in message["content"][0]["text"]
        assert message["content"][1] == {"type": "image_url", "image_url": {"url": picture("AAAA")}}
        assert (request.body["model"], request.body["max_tokens"]) == ("sees:7b", 160)
