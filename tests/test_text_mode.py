"""Typed conversations over chat completions, as a client gets them: repetition, pictures, busy endpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from neko.app import open_house
from neko.client import CharacterClient, connect
from neko.client.turn import one_turn
from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.protocol.client import InputType, StreamData
from neko.protocol.server import RepetitionWarning, ServerMessage, Status, TurnEnd
from neko.testing import Chat, ChatReply, open_chat
from tests.watched_house import SCRIPTED

pytestmark = pytest.mark.slow
SOON_S = 30.0
CONFIG = """
[providers.chat]
kind = "chat"
url = "{url}"
{more}
[characters.Mimi]
text_provider = "chat"
[characters.Mimi.session]
prepare = "due"
max_turns = 0
"""


@asynccontextmanager
async def talk(folder: Path, *replies: ChatReply, more: str = "") -> AsyncIterator[tuple[CharacterClient, Chat]]:
    async with open_chat(*replies) as chat:
        text = SCRIPTED + CONFIG.format(url=chat.url, more=more)
        config = ConfigManager(parse(text, "neko.toml"), OverrideStore.in_folder(folder))
        with trio.fail_after(SOON_S):
            async with (
                open_house(config, host="127.0.0.1", port=0, on_progress=lambda *_: None) as house,
                connect(house.url, "Mimi") as client,
            ):
                await client.start(InputType.TEXT)
                yield client, chat


async def until_turn_end(client: CharacterClient) -> list[ServerMessage]:
    got: list[ServerMessage] = []
    async for message in client:
        got.append(message)
        if isinstance(message, TurnEnd):
            break
    return got


async def test_a_model_that_repeats_itself_is_stopped_and_the_client_is_warned(tmp_path: Path) -> None:
    same = ChatReply(pieces=("I like the sea. ", "Do you?"))
    async with talk(tmp_path, same) as (client, chat):
        for number in range(2):
            await client.send_text(f"question {number}")
            assert not any(isinstance(each, RepetitionWarning) for each in await until_turn_end(client))
        await client.send_text("question 2")
        got = await until_turn_end(client)
        assert any(isinstance(each, RepetitionWarning) for each in got)
        assert isinstance(got[-1], TurnEnd)
        assert got[-1].interrupted
        chat.replies = (ChatReply(pieces=("Something else.",)),)
        await client.send_text("question 3")
        reply = await one_turn(client)
        assert (reply.text, reply.interrupted) == ("Something else.", False)


async def test_an_endpoint_that_is_busy_for_a_moment_is_not_noticed(tmp_path: Path) -> None:
    async with talk(tmp_path, ChatReply(refuse_status=503), ChatReply(pieces=("Here I am.",))) as (client, chat):
        await client.send_text("Hello?")
        got = await until_turn_end(client)
        assert not any(isinstance(each, Status) for each in got)
        assert len(chat.requests) == 2


@pytest.mark.parametrize("more", ["sees = false", ""])
async def test_what_is_shown_reaches_a_model_with_eyes_only(more: str, tmp_path: Path) -> None:
    async with talk(tmp_path, more=more) as (client, chat):
        for _ in range(2):
            await client.send(StreamData(InputType.CAMERA, "data:image/png;base64,AAAA"))
        await client.send_text("What is this?")
        got = await until_turn_end(client)
        said = [each.code for each in got if isinstance(each, Status)]
        shown = [each for each in chat.requests[0].body["messages"] if isinstance(each["content"], list)]
        assert (said, bool(shown)) == ((["INVALID_INPUT_TYPE"], False) if more else ([], True))
