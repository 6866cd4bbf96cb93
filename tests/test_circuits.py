"""A failing provider is asked by all of a house's characters together as rarely as by one, and they are told why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from neko.app import House, open_house
from neko.app.circuits import SILENT_S, Circuits, Remembered
from neko.client import connect
from neko.client.character import CharacterClient
from neko.config.manager import ConfigManager
from neko.config.model import Provider, ProviderKind
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.protocol.client import InputType
from neko.protocol.errors import StatusCode
from neko.protocol.server import ReplyText, ServerMessage, SessionSwapped, Status, TurnEnd, UserTranscript
from neko.realtime.chat import ChatEndpoint, open_chat
from neko.realtime.circuit import FAILURES
from neko.realtime.dialects.base import Setup
from neko.realtime.dialects.openai import OpenAiDialect
from neko.realtime.errors import KeyMissing, KeyRejected, ProviderError, RateLimited, Unreachable
from neko.realtime.omni_offline import open_offline
from neko.realtime.omni_realtime import open_realtime
from neko.realtime.session import ReplyDone, Say
from neko.telemetry.metrics import Metrics
from neko.testing import Behaviour, ChatReply, ProviderInMemory, open_provider, open_provider_in_memory, tag
from neko.testing import open_chat as open_fake_chat

FAR = Provider(kind=ProviderKind.OPENAI, url="ws://far.example")
MIC_HZ = 16_000
SETUP = Setup("You are Mimi.", "default", "en", "sim")


def scraped(metrics: Metrics) -> str:
    return metrics.exposition("")[0].decode()


async def ask(circuits: Circuits, provider: ProviderInMemory) -> None:
    with circuits.asking("far", FAR):
        async with open_realtime(OpenAiDialect(), SETUP, provider.url, "key", dial=provider.dial):
            pass


async def test_fifty_who_want_a_provider_that_is_away_ask_it_a_few_times(autojump_clock: MockClock) -> None:
    metrics = Metrics()
    circuits, refused = Circuits(metrics), []
    async with open_provider_in_memory(Behaviour(refuse_status=503)) as provider:

        async def insist() -> None:
            for _ in range(20):
                try:
                    await ask(circuits, provider)
                except Unreachable as error:
                    refused.append(error)
                await trio.sleep(0.25)

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(insist)
        assert len(refused) == 1_000
        # The first fifty ask at once; in the five seconds after that, one does now and then.
        assert len(provider.handshakes) <= 50 + 20
        assert 'neko_provider_left_alone{provider="far"} 1.0' in scraped(metrics)
        assert 'code="API_UNREACHABLE"' in scraped(metrics)
        provider.behaviour = Behaviour()
        await trio.sleep(61)
        await ask(circuits, provider)
        assert 'neko_provider_left_alone{provider="far"} 0.0' in scraped(metrics)


async def test_retry_after_of_a_refused_handshake_is_kept(autojump_clock: MockClock) -> None:
    circuits = Circuits(Metrics())
    async with open_provider_in_memory(Behaviour(refuse_status=429, retry_after_s=20)) as provider:
        with pytest.raises(RateLimited, match="Try again in 20 s"):
            await ask(circuits, provider)
        provider.behaviour = Behaviour()
        await trio.sleep(19.9)
        with pytest.raises(RateLimited, match="left alone for now"):
            await ask(circuits, provider)
        assert len(provider.handshakes) == 1
        await trio.sleep(1.2)
        await ask(circuits, provider)


async def test_who_leaves_says_nothing_about_a_provider_and_who_has_waited_does(autojump_clock: MockClock) -> None:
    circuits = Circuits(Metrics())
    async with open_provider_in_memory(Behaviour(handshake_delay_s=3600)) as provider:
        for _ in range(20):
            with trio.move_on_after(SILENT_S - 0.1):
                await ask(circuits, provider)
        assert not circuits.of("far", FAR).open
        for _ in range(FAILURES):
            with trio.move_on_after(SILENT_S + 0.1):
                await ask(circuits, provider)
        with pytest.raises(Unreachable, match="did not answer for 3 s"):
            await ask(circuits, provider)


def test_a_missing_key_is_ours_and_a_changed_configuration_is_another_provider() -> None:
    circuits = Circuits(Metrics())

    async def main() -> None:
        for _ in range(FAILURES):
            with pytest.raises(KeyMissing), circuits.asking("far", FAR):
                raise KeyMissing("X is not set")
        assert not circuits.of("far", FAR).open
        circuits.failed("far", FAR, KeyRejected("no"))
        assert circuits.of("far", FAR).open
        assert not circuits.of("far", evolve(FAR, url="ws://near.example")).open
        await trio.lowlevel.checkpoint()

    trio.run(main)


def test_what_fails_late_says_nothing_about_the_provider_that_the_configuration_names_now() -> None:
    circuits, near = Circuits(Metrics()), evolve(FAR, url="ws://near.example")

    async def main() -> None:
        circuits.failed("far", near, KeyRejected("no"))
        circuits.failed("far", FAR, Unreachable("a session from before the change"))
        assert circuits.of("far", near).open
        await trio.lowlevel.checkpoint()

    trio.run(main)


async def test_questions_over_http_are_remembered_too() -> None:
    circuits = Circuits(Metrics())
    chat = Provider(kind=ProviderKind.CHAT, url="http://chat.example")
    async with open_fake_chat(*[ChatReply(refuse_status=401)] * 3) as fake, fake_chat(fake) as model:
        remembered = Remembered(model, lambda: circuits.asking("chat", chat))
        async with open_offline(remembered, "", ()) as session:
            for _ in range(3):
                await session.send(Say("Hello?"))
                while not isinstance(await session.receive(), ReplyDone):
                    pass
        assert len(fake.requests) == 1


async def test_a_session_that_gives_up_ends_with_what_failed() -> None:
    async with (
        open_fake_chat(ChatReply(refuse_status=402)) as fake,
        fake_chat(fake) as model,
        open_offline(model, "", (), gives_up=True) as session,
    ):
        await session.send(Say("Hello?"))
        await session.receive()
        with pytest.raises(ProviderError, match="402"):
            await session.receive()
        with pytest.raises(ProviderError):
            await session.send(Say("Hello?"))


@asynccontextmanager
async def fake_chat(fake: Any) -> AsyncIterator[Any]:
    async with open_chat(ChatEndpoint(fake.url)) as model:
        yield model


HOUSE = """
[server]
host = "127.0.0.1"
[providers.local]
kind = "local"
model = "scripted"
[providers.far]
kind = "openai"
url = "{}"
[providers.near]
kind = "chat"
url = "{}"
[characters.Yui]
provider = "far"
text_provider = "near"
fallback = "local"
voice = "alloy"
"""


@asynccontextmanager
async def house(folder: Path, far: str, near: str = "http://127.0.0.1:9") -> AsyncIterator[House]:
    config = ConfigManager(parse(HOUSE.format(far, near), "neko.toml"), OverrideStore.in_folder(folder))
    async with open_house(config, host="127.0.0.1", port=0, on_progress=lambda *_: None) as here:
        yield here


async def until(client: CharacterClient, kind: type[ServerMessage]) -> list[ServerMessage]:
    said: list[ServerMessage] = []
    with trio.fail_after(20):
        while not said or not isinstance(said[-1], kind):
            said.append(await anext(client))
    return said


def statuses(said: list[ServerMessage]) -> list[Status]:
    return [each for each in said if isinstance(each, Status)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("refuse_status", "code"), [(401, StatusCode.API_KEY_REJECTED), (503, StatusCode.API_UNREACHABLE)]
)
async def test_a_house_goes_on_with_the_embedded_provider_and_comes_back(
    tmp_path: Path, refuse_status: int, code: StatusCode
) -> None:
    async with (
        open_provider(Behaviour(refuse_status=refuse_status, silence_ms=100)) as provider,
        house(tmp_path, provider.url) as here,
        connect(here.url, "Yui") as client,
    ):
        await client.start(InputType.AUDIO)
        await client.send_text("Hello!")
        said = await until(client, TurnEnd)
        [status] = statuses(said)
        assert status.code is code
        assert status.details.endswith("Until far is back, local stands in.")
        assert "".join(each.text for each in said if isinstance(each, ReplyText)).startswith("I am a scripted voice")
        if refuse_status == 401:
            return  # which is not tried again within a minute
        provider.behaviour = Behaviour(silence_ms=100)
        said = await until(client, SessionSwapped)
        assert statuses(said) == []
        swapped = said[-1]
        assert isinstance(swapped, SessionSwapped)
        assert (swapped.reason, swapped.lost_ms, swapped.state_restored) == ("config", 0, True)
        theirs = provider.sessions[-1]
        told = [event["item"]["content"][0]["text"] for event in theirs.events("conversation.item.create")]
        assert told[0] == "Hello!"
        await client.send_text("Who is there?")
        said = await until(client, TurnEnd)
        assert "".join(each.text for each in said if isinstance(each, ReplyText)) == "Nice to meet you."


@pytest.mark.slow
async def test_a_provider_that_dies_is_stood_in_for_in_the_middle_of_an_utterance(tmp_path: Path) -> None:
    """What the person has said until then is heard by who stands in: it answers all of it."""
    async with (
        open_provider(Behaviour(silence_ms=2_000)) as provider,
        house(tmp_path, provider.url) as here,
        connect(here.url, "Yui") as client,
    ):
        await client.start(InputType.AUDIO)
        await client.send_audio(tag(0, 50, MIC_HZ), MIC_HZ)
        theirs = await provider.session()
        await theirs.heard(40)
        provider.behaviour = Behaviour(refuse_status=503)
        for session in provider.sessions:
            await session.drop()
        await client.send_audio(tag(50, 50, MIC_HZ) + bytes(4 * MIC_HZ), MIC_HZ)
        said = await until(client, TurnEnd)
        [swapped] = [each for each in said if isinstance(each, SessionSwapped)]
        assert (swapped.reason, swapped.lost_ms, swapped.state_restored) == ("lost", 0, True)
        assert [each.text for each in said if isinstance(each, UserTranscript)] == ["Hello, what is your name?"]
        assert len([each for each in statuses(said) if "stands in" in each.details]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("reply", [ChatReply(refuse_status=402), None])
async def test_a_typed_session_is_answered_by_who_stands_in(tmp_path: Path, reply: ChatReply | None) -> None:
    """The endpoint refuses the question, or is not there from the beginning."""
    async with open_fake_chat(reply or ChatReply()) as fake:
        near = fake.url if reply else "http://127.0.0.1:9"
        async with house(tmp_path, "ws://127.0.0.1:9", near) as here, connect(here.url, "Yui") as client:
            await client.start(InputType.TEXT)
            await client.send_text("Hello!")
            said = await until(client, TurnEnd)
            while not any(isinstance(each, ReplyText) for each in said):
                said += await until(client, TurnEnd)
            assert "".join(each.text for each in said if isinstance(each, ReplyText)).startswith("I am a scripted")
            told = [each for each in statuses(said) if "stands in" in each.details]
            assert [each.code for each in told] == [StatusCode.API_ARREARS if reply else StatusCode.API_UNREACHABLE]
