"""The simulator in memory: as over sockets, in virtual time, and cheap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from neko.realtime.dialects.base import Setup
from neko.realtime.dialects.openai import OpenAiDialect
from neko.realtime.errors import KeyRejected, RateLimited, Unreachable
from neko.realtime.omni_realtime import OmniRealtimeClient
from neko.realtime.session import AudioDelta, ReplyDone, ReplyStatus, Say
from neko.testing import Behaviour, Ended, Party, TagReader, open_provider_in_memory, tag
from tests.sim_client import talking_to, utterance

if TYPE_CHECKING:
    from neko.realtime.errors import ProviderError

HZ = 24_000
QUICK = Behaviour(response_ms=100, silence_ms=50)


async def test_neko_s_own_client_talks_through_it(autojump_clock: trio.testing.MockClock) -> None:
    dialect = OpenAiDialect()
    async with (
        open_provider_in_memory(QUICK) as provider,
        provider.dial(dialect.url(provider.url, "gpt-realtime"), dialect.headers("secret")) as websocket,
    ):
        client = OmniRealtimeClient(websocket, dialect)
        await client.open(Setup(instructions="", voice="default", language="en", model="gpt-realtime"))
        assert client.id == "sess_0"
        assert provider.handshakes[0].headers["authorization"] == "Bearer secret"
        await client.send(Say("Hello"))
        heard = TagReader(HZ)
        tags: list[int] = []
        while not isinstance(event := await client.receive(), ReplyDone):
            if isinstance(event, AudioDelta):
                tags += heard.push(event.pcm)
        assert (event.status, tags) == (ReplyStatus.COMPLETED, list(range(10)))


async def test_a_paced_reply_takes_its_time_in_virtual_seconds(autojump_clock: trio.testing.MockClock) -> None:
    behaviour = Behaviour(response_ms=20_000, paced=True)
    async with open_provider_in_memory(behaviour) as provider, talking_to(provider) as client:
        await client.send({"type": "response.create"})
        await client.until("response.output_audio.delta")
        begun = trio.current_time()
        await client.until("response.done")
        assert trio.current_time() - begun == pytest.approx(20)


@pytest.mark.parametrize(("status", "error"), [(401, KeyRejected), (429, RateLimited), (503, Unreachable)])
async def test_a_refusal_is_the_error_that_a_socket_would_give(
    status: int, error: type[ProviderError], autojump_clock: trio.testing.MockClock
) -> None:
    async with open_provider_in_memory(Behaviour(refuse_status=status)) as provider:
        with pytest.raises(error):
            async with talking_to(provider):
                pytest.fail("the upgrade was accepted")
        await provider.sockets(0)


async def test_who_leaves_in_the_handshake_leaves_nothing_behind(autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory(Behaviour(handshake_delay_s=60)) as provider:
        with trio.move_on_after(5):
            async with talking_to(provider):
                pytest.fail("the upgrade was accepted")
        await provider.sockets(0)
        assert (provider.sessions, trio.current_time()) == ([], 5)


@pytest.mark.parametrize(("cancelled", "waits_s"), [(True, 0.1), (False, 2.0)])
async def test_a_goodbye_that_a_deaf_provider_does_not_answer(
    cancelled: bool, waits_s: float, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_provider_in_memory() as provider:
        with trio.move_on_after(5):
            async with talking_to(provider):
                await (await provider.session()).deafen()
                await trio.sleep(60 if cancelled else 1)
        assert trio.current_time() == pytest.approx((5 if cancelled else 1) + waits_s)


async def test_a_provider_that_goes_home_in_the_handshake_is_unreachable(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def dial_in_vain() -> None:
        with pytest.raises(Unreachable):
            async with talking_to(provider):
                pytest.fail("the upgrade was accepted")

    async with trio.open_nursery() as nursery, open_provider_in_memory(Behaviour(handshake_delay_s=60)) as provider:
        nursery.start_soon(dial_in_vain)
        await provider.shaking_hands()


async def test_the_line_drops_in_the_middle_of_a_word(autojump_clock: trio.testing.MockClock) -> None:
    async with (
        open_provider_in_memory(Behaviour(drops_after_ms=80)) as provider,
        talking_to(provider) as client,
    ):
        await client.send({"type": "response.create"})
        assert (await client.until_closed())[0] == 1006
        assert provider.sessions[0].spoke == list(range(8))
        assert await provider.sessions[0].closed() == Ended(Party.PROVIDER, 1006)


async def test_who_left_is_on_record(autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory() as provider:
        async with talking_to(provider):
            await provider.session()
        assert await provider.sessions[0].closed() == Ended(Party.CLIENT, 1000)
        await provider.sockets(0)


async def test_blocks_are_numbered_on_over_sessions(autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory(QUICK) as provider:
        for _ in range(2):
            async with talking_to(provider) as client:
                await client.say(utterance(HZ))
                await client.until("response.done")
        assert [session.spoke for session in provider.sessions] == [list(range(10)), list(range(10, 20))]


@pytest.mark.slow
async def test_sixty_spoken_turns(autojump_clock: trio.testing.MockClock) -> None:
    turns, frame = 60, HZ // 50 * 2  # microphone frames of 20 ms
    behaviour = Behaviour(response_ms=400, silence_ms=100, paced=True)
    async with open_provider_in_memory(behaviour) as provider, talking_to(provider) as client:
        said = 0
        for _ in range(turns):
            pcm = tag(said, 20, HZ) + tag(said + 20, 10, HZ, voiced=False)
            said += 30
            for at in range(0, len(pcm), frame):
                await client.say(pcm[at : at + frame])
                await trio.sleep(0.02)
            await client.until("response.done")
        assert provider.sessions[0].tags == list(range(said))
        assert provider.sessions[0].spoke == list(range(turns * 40))
