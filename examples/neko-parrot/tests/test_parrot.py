"""Each of the four in a conversation with a real server and a provider on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import orjson
import pytest
import trio
from neko_parrot.voice import SQUAWK_MS

from neko.app import House, open_house
from neko.client import CharacterClient, connect, one_turn
from neko.config.errors import ConfigError
from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.protocol.client import InputType, LanguageUpdate
from neko.protocol.server import Translation
from neko.testing import Behaviour, Provider, ToolCall, open_provider

CONFIGURATION = """
[providers.zoo]
kind = "parrot"
url = "{url}"
api_key_env = "ZOO_KEY"
[translation]
chain = ["phrasebook"]
[tools.dice]
kind = "entry_point"
[characters.Polly]
provider = "zoo"
text_provider = "zoo"
tts = "squawk"
tools = ["dice"]
"""
SOON_S = 20


def configured(folder: Path, url: str) -> ConfigManager:
    return ConfigManager(parse(CONFIGURATION.format(url=url), "neko.toml"), OverrideStore.in_folder(folder))


@pytest.fixture
async def zoo() -> AsyncIterator[Provider]:
    async with open_provider(Behaviour(replies=("Nice to meet you.",))) as provider:
        yield provider


@asynccontextmanager
async def talking(folder: Path, zoo: Provider) -> AsyncIterator[tuple[House, CharacterClient]]:
    """A person who types to Polly."""
    config = configured(folder, zoo.url)
    with trio.fail_after(SOON_S):
        async with open_house(config, host="127.0.0.1", port=0, on_progress=lambda *_: None) as house:
            await house.ready()
            async with connect(house.url, "Polly") as client:
                await client.start(InputType.TEXT)
                yield house, client


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_KEY", "cracker")


async def test_the_vendor_is_reached_with_its_own_header_and_the_voice_squawks(tmp_path: Path, zoo: Provider) -> None:
    async with talking(tmp_path, zoo) as (house, client):
        await client.send_text("Hello!")
        reply = await one_turn(client)
        assert reply.text == "Nice to meet you."
        words = len(reply.text.split())
        assert abs(len(reply.speech) / 2 / 48 - words * SQUAWK_MS) < 2  # ms
        assert np.abs(np.frombuffer(reply.speech, "<i2")).max() > 4_000
        assert zoo.handshakes[0].headers["x-parrot-key"] == "cracker"
        session = house.managers["Polly"].session
        assert session is not None
        assert session.facts.max_session_s == 900


async def test_the_phrase_book_translates_what_it_knows(tmp_path: Path, zoo: Provider) -> None:
    async with talking(tmp_path, zoo) as (_, client):
        await client.send(LanguageUpdate(language="de"))
        await client.send_text("Hello!")
        async for message in client:
            if isinstance(message, Translation):
                assert (message.text, message.language) == ("Schön, dich kennenzulernen.", "de")
                break


async def test_dice_are_thrown_when_the_model_asks(tmp_path: Path, zoo: Provider) -> None:
    zoo.behaviour = Behaviour(replies=(ToolCall("dice", '{"dice": 2}'), "Two dice!"))
    async with talking(tmp_path, zoo) as (_, client):
        await client.send_text("Throw two dice.")
        reply = await one_turn(client)
        assert reply.text == "Two dice!"
        [output] = [
            event["item"]["output"]
            for session in zoo.sessions
            for event in session.events("conversation.item.create")
            if event["item"]["type"] == "function_call_output"
        ]
        thrown = orjson.loads(output)
        assert len(thrown) == 2
        assert set(thrown) <= {1, 2, 3, 4, 5, 6}


def test_a_misspelt_kind_is_told_of_the_one_that_is_there() -> None:
    with pytest.raises(ConfigError, match=r"providers\.zoo\.kind is \"parot\"; did you mean parrot\?"):
        parse(CONFIGURATION.format(url="ws://h").replace('"parrot"', '"parot"'), "neko.toml")
