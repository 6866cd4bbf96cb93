"""`OmniRealtimeClient` against a provider on loopback: what it sends and what it makes of answers. Failures A, I."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
import trio
from trio.testing import MockClock
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Request

from neko.audio.pcm import pieces
from neko.audio.resample import SpeechResampler
from neko.protocol.errors import StatusCode
from neko.realtime.dial import dial, upgrade
from neko.realtime.dialects.base import Setup
from neko.realtime.dialects.openai import OpenAiDialect
from neko.realtime.errors import ProviderError, SessionLost, Unreachable
from neko.realtime.omni_realtime import OmniRealtimeClient, open_realtime
from neko.realtime.session import (
    AudioDelta,
    Expiring,
    Hear,
    Interrupt,
    Line,
    ModelEvent,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    Say,
    SpeechStarted,
    SpeechStopped,
    Tell,
    TextDelta,
    UserSaid,
)
from neko.testing import Behaviour, Provider, TagReader, open_provider, silence, tag
from neko.testing.streams import stream_pair

SETUP = Setup("You are Mimi.", "default", "en", "gpt-realtime", [Line("user", "Hi")])
MIC_HZ, MODEL_HZ = 16_000, 24_000


@asynccontextmanager
async def session(provider: Provider) -> AsyncIterator[OmniRealtimeClient]:
    async with open_realtime(OpenAiDialect(), SETUP, provider.url, "secret") as client:
        yield client


async def ask_for_ever(client: OmniRealtimeClient) -> None:
    await client.send(Say("Hello?"))
    while True:
        await client.receive()


async def events_until_done(client: OmniRealtimeClient) -> list[ModelEvent]:
    events: list[ModelEvent] = []
    while not events or not isinstance(events[-1], ReplyDone):
        events.append(await client.receive())
    return events


async def test_a_session_is_what_it_was_set_up_to_be() -> None:
    async with open_provider() as provider, session(provider) as client:
        await client.prime([Line("assistant", "Hello you!")])
        await client.send(Say("What is new?", "q1"))
        theirs = await provider.session()
        await theirs.received("response.create")
        assert client.id == "sess_0"
        assert theirs.handshake.headers["authorization"] == "Bearer secret"
        assert theirs.handshake.query == {"model": "gpt-realtime"}
        [update] = theirs.events("session.update")
        assert update["session"]["instructions"] == "You are Mimi."
        assert update["session"]["output_modalities"] == ["audio"]
        items = [event["item"] for event in theirs.events("conversation.item.create")]
        assert [(item["role"], item["content"][0]["text"]) for item in items] == [
            ("user", "Hi"),
            ("assistant", "Hello you!"),
            ("user", "What is new?"),
        ]


async def test_a_spoken_turn() -> None:
    behaviour = Behaviour(silence_ms=100, response_ms=80)
    async with open_provider(behaviour) as provider, session(provider) as client:
        await client.send(Hear(tag(0, 20, MODEL_HZ) + silence(20, MODEL_HZ)))
        events = await events_until_done(client)
        kinds = [type(event) for event in events]
        assert kinds[:3] == [Expiring, SpeechStarted, SpeechStopped]
        assert UserSaid("Hello there.") in events
        assert kinds.index(ReplyStarted) < kinds.index(AudioDelta)
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Nice to meet you."
        reader = TagReader(MODEL_HZ)
        heard = [block for event in events if isinstance(event, AudioDelta) for block in reader.push(event.pcm)]
        assert heard == list(range(8))
        done = events[-1]
        assert isinstance(done, ReplyDone)
        assert done.status is ReplyStatus.COMPLETED


async def test_sixteen_kilohertz_reach_a_provider_of_twenty_four_unharmed() -> None:
    """Failure I: one stream, at the right rate; no block is lost, doubled or moved."""
    async with open_provider(Behaviour(silence_ms=5_000)) as provider, session(provider) as client:
        ears = SpeechResampler(MIC_HZ, MODEL_HZ)
        for frame in pieces(tag(0, 300, MIC_HZ) + silence(10, MIC_HZ), 20, MIC_HZ):
            await client.send(Hear(ears.push(frame)))
        theirs = await provider.session()
        await theirs.heard(299)
        assert theirs.tags == list(range(300))


async def test_an_interruption_is_cancelled_and_truncated() -> None:
    async with open_provider(Behaviour(paced=True, response_ms=2_000)) as provider, session(provider) as client:
        await client.send(Say("Go on."))
        while not isinstance(event := await client.receive(), AudioDelta):
            pass
        await client.send(Interrupt(event.reply_id, event.item_id, running=True, heard_ms=20, heard_text="Nice"))
        theirs = await provider.session()
        await theirs.received("conversation.item.truncate")
        assert theirs.events("response.cancel")[-1]["response_id"] == event.reply_id
        [truncate] = theirs.events("conversation.item.truncate")
        assert (truncate["item_id"], truncate["content_index"], truncate["audio_end_ms"]) == (event.item_id, 0, 20)
        [*_, done] = await events_until_done(client)
        assert isinstance(done, ReplyDone)
        assert done.status is ReplyStatus.CANCELLED


async def test_two_texts_in_a_row_are_both_taken() -> None:
    """The second one ends the reply to the first, which nobody here knows of yet."""
    async with open_provider(Behaviour(paced=True, response_ms=400)) as provider, session(provider) as client:
        await client.send(Say("one"))
        await client.send(Say("two"))
        events = await events_until_done(client) + await events_until_done(client)
        done = [event.status for event in events if isinstance(event, ReplyDone)]
        assert done == [ReplyStatus.CANCELLED, ReplyStatus.COMPLETED]


async def test_a_cancelled_session_does_not_wait_for_its_provider() -> None:
    async with open_provider() as provider:
        with trio.fail_after(1), trio.CancelScope() as scope:
            async with session(provider):
                scope.cancel()
                await trio.sleep_forever()
        await provider.sockets(0)


async def test_news_is_told_as_a_system_message() -> None:
    async with open_provider() as provider, session(provider) as client:
        await client.send(Tell("The tea is ready."))
        theirs = await provider.session()
        await theirs.received("response.create")
        assert theirs.events("conversation.item.create")[-1]["item"]["role"] == "system"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, StatusCode.API_KEY_REJECTED),
        (403, StatusCode.API_KEY_REJECTED),
        (402, StatusCode.API_ARREARS),
        (429, StatusCode.API_RATE_LIMIT),
        (503, StatusCode.API_UNREACHABLE),
    ],
)
async def test_a_refusal_is_known_by_its_type(status: int, code: StatusCode) -> None:
    async with open_provider(Behaviour(refuse_status=status)) as provider:
        with pytest.raises(ProviderError, match=f"HTTP {status}") as refusal:
            async with session(provider):
                pytest.fail("a refused session opened")
        assert refusal.value.code is code
        await provider.sockets(0)


async def test_nobody_at_the_address() -> None:
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port}"):
        async with dial(f"ws://127.0.0.1:{port}/", {}):
            pytest.fail("nobody answered")


async def test_a_provider_that_hangs_up_in_the_handshake() -> None:
    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")

        async def hang_up(stream: trio.SocketStream) -> None:
            await stream.receive_some()
            await stream.aclose()

        nursery.start_soon(trio.serve_listeners, hang_up, [listener])
        with pytest.raises(Unreachable, match="handshake"):
            async with dial(f"ws://127.0.0.1:{listener.socket.getsockname()[1]}/", {}):
                pytest.fail("nobody answered")
        nursery.cancel_scope.cancel()


async def test_twenty_that_leave_in_the_handshake_leave_no_socket() -> None:
    """Failure A, with sockets."""
    async with open_provider(Behaviour(handshake_delay_s=3600)) as provider:

        async def dial_in_vain() -> None:
            async with session(provider):
                pytest.fail("the handshake ended")

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(dial_in_vain)
            await provider.shaking_hands(20)
            assert provider.open_sessions == 20
            nursery.cancel_scope.cancel()
        await provider.sockets(0)
        assert provider.sessions == []


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (Behaviour(expires_after_s=0.05), "maximum duration"),
        (Behaviour(dies_after_events=5, close_code=1011, close_reason="oops"), "1011 oops"),
        (Behaviour(drops_after_ms=40), "connection broke"),
    ],
)
async def test_a_session_that_ends_by_itself_is_lost_with_its_reason(behaviour: Behaviour, words: str) -> None:
    async with open_provider(behaviour) as provider, session(provider) as client:
        with pytest.raises(SessionLost) as lost:
            await ask_for_ever(client)
        assert words in lost.value.details


async def test_garbage_from_a_provider_is_passed_over() -> None:
    async with open_provider(Behaviour(garbage_after=6)) as provider, session(provider) as client:
        await client.send(Say("Hello?"))
        [*_, done] = await events_until_done(client)
        assert isinstance(done, ReplyDone)


def test_rates_are_exact() -> None:
    resampler = SpeechResampler(MIC_HZ, MODEL_HZ)
    sound = np.zeros(1600, dtype="<i2").tobytes()
    assert len(resampler.push(sound) + resampler.flush()) == len(sound) * 3 // 2


async def test_a_ping_in_the_middle_of_our_goodbye_is_no_error(autojump_clock: MockClock) -> None:
    ours, theirs = stream_pair()

    async def ping_at_the_end() -> bool:
        server = WSConnection(ConnectionType.SERVER)
        while data := await theirs.receive_some():
            server.receive_data(bytes(data))
            for event in server.events():
                match event:
                    case Request():
                        await theirs.send_all(server.send(AcceptConnection()))
                    case CloseConnection():
                        await theirs.send_all(b"\x89\x00" + server.send(event.response()))
                        return True
        return False

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ping_at_the_end)
        async with upgrade(ours, "simulator", "ws://simulator/", {}):
            began = trio.current_time()
        assert trio.current_time() == began  # it has heard the answer to its goodbye
