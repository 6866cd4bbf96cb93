"""One conversation over every vendor, on real sockets: each swap is forced in the middle of an utterance."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import trio

from neko.app import open_house
from neko.audio.pcm import pieces
from neko.client import connect
from neko.client.character import CharacterClient
from neko.client.turn import one_turn
from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.protocol.client import InputType, Playback, SwapSession, SwapWhen
from neko.protocol.server import AudioChunk, SessionSwapped, TurnEnd, UserTranscript
from neko.testing import DIALECTS, Behaviour, Provider, open_provider, silence, tag

MIC_HZ = 16_000
HALF, QUIET = 30, 60  # blocks of 10 ms
VENDORS = ("openai", "gemini", "qwen", "step", "glm")
CONFIG = """
[providers.{kind}]
kind = "{kind}"
url = "{url}"
"""
YUI = """
[characters.Yui]
provider = "openai"
[characters.Yui.session]
prepare = "due"
max_turns = 0
"""
SCRIPTED = """
[providers.local]
kind = "local"
model = "scripted"
"""


def behaviour(kind: str) -> Behaviour:
    return Behaviour(
        silence_ms=300, response_ms=100, transcripts=(f"Asked of {kind}.",), replies=(f"Answer of {kind}.",)
    )


@asynccontextmanager
async def a_talk(folder: Path, providers: dict[str, Provider]) -> AsyncIterator[CharacterClient]:
    vendors = "".join(CONFIG.format(kind=kind, url=provider.url) for kind, provider in providers.items())
    config = ConfigManager(parse(SCRIPTED + vendors + YUI, "neko.toml"), OverrideStore.in_folder(folder))
    async with open_house(config, host="127.0.0.1", port=0, on_progress=lambda *_: None) as house:
        await house.ready()
        async with connect(house.url, "Yui") as client:
            await client.start(InputType.AUDIO)
            yield client


async def say(client: CharacterClient, pcm: bytes) -> None:
    for frame in pieces(pcm, 20, MIC_HZ):
        await client.send_audio(frame, MIC_HZ)


async def until(client: CharacterClient, kind: type) -> object:
    async for message in client:
        if isinstance(message, kind):
            return message
    raise AssertionError("the server hung up")


async def heard_to_the_end(client: CharacterClient) -> None:
    async for message in client:
        if isinstance(message, AudioChunk):
            await client.send(Playback(message.speech_id, 100))
        if isinstance(message, TurnEnd):
            return


@pytest.mark.slow
async def test_from_vendor_to_vendor_in_the_middle_of_each_utterance(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        providers = {
            kind: await stack.enter_async_context(open_provider(behaviour(kind), DIALECTS[kind])) for kind in VENDORS
        }
        client = await stack.enter_async_context(a_talk(tmp_path, providers))
        with trio.fail_after(60):
            for number, (old, new) in enumerate(pairwise(VENDORS)):
                first = number * 2 * HALF
                await say(client, tag(first, HALF, MIC_HZ))
                await client.send(SwapSession(SwapWhen.NOW, provider=new))
                swapped = await until(client, SessionSwapped)
                assert isinstance(swapped, SessionSwapped)
                assert (swapped.reason, swapped.lost_ms) == ("requested", 0)
                await say(client, tag(first + HALF, HALF, MIC_HZ) + silence(QUIET, MIC_HZ))
                said = await until(client, UserTranscript)
                assert said == UserTranscript(f"Asked of {new}.")
                await heard_to_the_end(client)
                [session] = providers[new].sessions
                assert session.tags[-2 * HALF :] == list(range(first, first + 2 * HALF))
                assert providers[old].sessions[-1].ended is not None
                if number:
                    told = str(session.got)
                    assert f"Asked of {old}." in told
                    assert f"Answer of {old}." in told
            await client.send(SwapSession(SwapWhen.TURN, provider="local"))
            await until(client, SessionSwapped)
            await say(client, tag(0, 100, MIC_HZ) + bytes(2 * MIC_HZ))
            reply = await one_turn(client)
            assert reply.heard == "Hello, what is your name?"
            # The script answers by the number of questions that it knows of: four were asked of others.
            assert reply.text.startswith("I am still only a script")
