"""A lost session of Google's is gone on with by the handle that it gave; where that is refused, by a recap as ever."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import define
from trio.testing import MockClock

from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.snapshot import Snapshot
from neko.config.store import OverrideStore
from neko.nurseries.manager import LLMSessionManager
from neko.nurseries.ports import Ports
from neko.protocol.client import InputMode
from neko.realtime.dialects.base import Setup
from neko.realtime.dialects.gemini import GeminiDialect
from neko.realtime.omni_realtime import OmniRealtimeClient, open_realtime
from neko.realtime.session import Line
from neko.testing import DIALECTS, Behaviour, ProviderInMemory, ProviderSession, open_provider_in_memory
from neko.testing.person import Person, open_person

CONFIGURATION = """
[providers.far]
kind = "gemini"
url = "ws://simulator"
[session]
prepare = "due"
silence_s = 5
[characters.Mimi]
provider = "far"
"""


@define
class Play:
    provider: ProviderInMemory
    person: Person

    async def ask(self, text: str) -> None:
        await self.person.send("stream_data", input_type="text", data=text)
        await trio.sleep(3)

    def told(self, session: ProviderSession) -> list[str]:
        """The words that a session was given, its setup aside."""
        turns = [turn for event in session.events("clientContent") for turn in event["clientContent"].get("turns", [])]
        return [part["text"] for turn in turns for part in turn["parts"]]

    def handle(self, session: ProviderSession) -> Any:
        return session.events("setup")[0]["setup"]["sessionResumption"].get("handle")

    def swaps(self) -> list[tuple[str, float]]:
        return [(frame["reason"], frame["lost_ms"]) for frame in self.person.of("neko.session_swapped")]


@asynccontextmanager
async def playing(folder: Path) -> AsyncIterator[Play]:
    config = ConfigManager(parse(CONFIGURATION, "neko.toml"), OverrideStore.in_folder(folder))
    async with open_provider_in_memory(Behaviour(response_ms=100), DIALECTS["gemini"]) as provider:

        @asynccontextmanager
        async def opened(lines: Sequence[Line], handle: str) -> AsyncIterator[OmniRealtimeClient]:
            setup = Setup("You are a cat.", "default", "en", "sim", lines, resume=handle)
            async with open_realtime(GeminiDialect(), setup, provider.url, "key", dial=provider.dial) as session:
                yield session

        def connect(_: Snapshot, __: InputMode, lines: Sequence[Line]) -> Any:
            return opened(lines, "")

        def resume(_: Snapshot, __: InputMode, handle: str) -> Any:
            return opened((), handle)

        manager = LLMSessionManager("Mimi", config, Ports(connect, lambda _snapshot, _mode: None, resume=resume))
        async with trio.open_nursery() as nursery:
            await nursery.start(manager.run)
            async with open_person(manager) as person:
                await person.send("start_session", input_type="audio")
                await trio.sleep(1)
                yield Play(provider, person)
                await person.leave()
            with trio.fail_after(5):
                await provider.sockets(0)
            nursery.cancel_scope.cancel()


async def test_what_google_remembers_is_not_told_again(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with playing(tmp_path) as play:
        await play.ask("My name is Kai.")
        await play.provider.sessions[0].drop()
        await trio.sleep(2)
        await play.ask("Who am I?")
        first, second = play.provider.sessions
        assert play.handle(first) is None
        assert play.handle(second) == "handle_2"  # of the state after the first answer
        assert play.told(second) == ["Who am I?"]
        assert play.swaps() == [("lost", 0)]
        assert len(play.person.of("system")) == 2


async def test_what_was_said_since_the_handle_is_told(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A question that was not answered yet is asked of who goes on."""
    async with playing(tmp_path) as play:
        await play.ask("My name is Kai.")
        play.provider.sessions[0]._behaviour = Behaviour(first_delta_after_s=3600)
        await play.ask("Who am I?")
        await play.provider.sessions[0].drop()
        await trio.sleep(2)
        _, second = play.provider.sessions
        assert play.handle(second) == "handle_2"
        assert play.told(second) == ["Who am I?"]
        assert [frame["text"] for frame in play.person.of("gemini_response")][-1:] != []


async def test_a_handle_that_is_refused_costs_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    """The provider has not noticed yet that the socket is gone: it closes with 1011, and another one is dialled."""
    async with playing(tmp_path) as play:
        await play.ask("My name is Kai.")
        await play.provider.sessions[0].deafen()
        play.provider._handles._open["ghost"] = play.provider._handles._open["sess_0"]
        await trio.sleep(20)
        await play.ask("Who am I?")
        _, refused, third = play.provider.sessions
        assert play.handle(refused) == "handle_2"
        assert play.handle(third) is None
        assert play.told(third)[:1] == ["My name is Kai."]
        assert play.told(third)[-1] == "Who am I?"
        assert play.swaps() == [("lost", 0)]
