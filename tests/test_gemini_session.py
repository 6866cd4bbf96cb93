"""A session in the Gemini dialect against the simulator: over a socket, and in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from neko.app.dialects import VENDORS
from neko.audio.pcm import pieces
from neko.audio.resample import SpeechResampler
from neko.config.model import ProviderKind
from neko.protocol.errors import StatusCode
from neko.realtime.dialects.base import Setup
from neko.realtime.dialects.gemini import HEARS_HZ, SPEAKS_HZ, GeminiDialect
from neko.realtime.errors import KeyRejected, PolicyViolation, ProtocolBroken, ProviderError, RateLimited, SessionLost
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
    See,
    SpeechStarted,
    SpeechStopped,
    Tell,
    TextDelta,
    Tool,
    ToolCalled,
    ToolResult,
    UserSaid,
)
from neko.testing import (
    DIALECTS,
    Behaviour,
    Provider,
    ProviderInMemory,
    TagReader,
    ToolCall,
    open_provider,
    open_provider_in_memory,
    silence,
    tag,
    with_real_limits,
)
from tests.sim_client import utterance

GEMINI = DIALECTS["gemini"]
SETUP = Setup("You are Mimi.", "default", "en", "gemini-3.8-live")
MIC_HZ = 48_000
QUICK = Behaviour(response_ms=80, silence_ms=50, transcripts=("Hello.",), replies=("Hi you.", "So what?"))
LONG = Behaviour(response_ms=60_000, silence_ms=50, paced=True, transcripts=("Wait!",))
WEATHER = Tool("weather", "Tells it.", {"type": "object"})


@asynccontextmanager
async def session(
    provider: Provider, setup: Setup = SETUP, *, speaks: bool = True
) -> AsyncIterator[OmniRealtimeClient]:
    """Over a socket, or in memory for a provider that is there."""
    dialect = GeminiDialect(speaks=speaks)
    if isinstance(provider, ProviderInMemory):
        opening = open_realtime(dialect, setup, provider.url, "secret", dial=provider.dial)
    else:
        opening = open_realtime(dialect, setup, provider.url, "secret")
    async with opening as client:
        yield client


async def until_done(client: OmniRealtimeClient, replies: int = 1) -> list[ModelEvent]:
    events: list[ModelEvent] = []
    while sum(isinstance(event, ReplyDone) for event in events) < replies:
        events.append(await client.receive())
    return events


async def until_lost(client: OmniRealtimeClient) -> None:
    """Reads until something is raised."""
    while True:
        await client.receive()


def kinds(events: list[ModelEvent]) -> list[type[ModelEvent]]:
    """What the events are, without those that repeat the one before."""
    found = [type(event) for event in events]
    return [kind for at, kind in enumerate(found) if at == 0 or kind is not found[at - 1]]


def text(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def speech(events: list[ModelEvent]) -> list[int]:
    return TagReader(SPEAKS_HZ).push(b"".join(event.pcm for event in events if isinstance(event, AudioDelta)))


async def test_a_spoken_turn_end_to_end_over_a_socket() -> None:
    behaviour = Behaviour(response_ms=400, silence_ms=100, transcripts=("Hello.",), replies=("Hi you.",))
    async with open_provider(behaviour, GEMINI) as provider, session(provider) as client:
        microphone = SpeechResampler(MIC_HZ, HEARS_HZ)
        for frame in pieces(tag(0, 50, MIC_HZ) + silence(30, MIC_HZ), 20, MIC_HZ):
            await client.send(Hear(microphone.push(frame)))
        events = await until_done(client)
        theirs = await provider.session()
        assert theirs.handshake.headers["x-goog-api-key"] == "secret"
        assert theirs.handshake.query == {}
        assert theirs.tags == list(range(50))  # 0 lost, 0 doubled, 0 reordered, at 16 kHz
        assert speech(events) == list(range(40)) == theirs.spoke
        assert events[:2] == [SpeechStarted(), SpeechStopped()]
        assert events[2] == UserSaid("Hello.")
        assert set(kinds(events[3:])) == {ReplyStarted, TextDelta, AudioDelta, ReplyDone}
        assert isinstance(events[3], ReplyStarted)
        assert events[-1] == ReplyDone(events[3].reply_id, ReplyStatus.COMPLETED)
        assert text(events) == "Hi you."


async def test_a_typed_turn_after_earlier_lines(autojump_clock: trio.testing.MockClock) -> None:
    setup = Setup("You are Mimi.", "default", "en", "m", [Line("user", "Hi"), Line("assistant", "Hello you!")])
    async with open_provider_in_memory(QUICK, GEMINI) as provider, session(provider, setup) as client:
        await client.prime([Line("user", "Bye")])
        await client.send(Say("What is new?", "q1"))
        events = await until_done(client)
        assert kinds(events)[0] is ReplyStarted
        assert isinstance(events[0], ReplyStarted)
        assert events[0].request_id == "q1"
        assert (text(events), speech(events)) == ("Hi you.", list(range(8)))
        theirs = provider.sessions[0]
        told = [turn for event in theirs.events("clientContent") for turn in event["clientContent"]["turns"]]
        assert [turn["parts"][0]["text"] for turn in told] == ["Hi", "Hello you!", "Bye", "What is new?"]
        assert [turn["role"] for turn in told] == ["user", "model", "user", "user"]


async def test_ids_are_unlike_each_other(autojump_clock: trio.testing.MockClock) -> None:
    async with (
        open_provider_in_memory(QUICK, GEMINI) as provider,
        session(provider) as one,
        session(provider) as two,
    ):
        replies = set()
        for client in (one, two, one):
            await client.send(Tell("The tea is ready."))
            replies |= {event.reply_id for event in await until_done(client) if isinstance(event, ReplyStarted)}
        assert one.id != two.id
        assert len(replies) == 3


async def test_a_picture_goes_out_and_asks_for_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory(QUICK, GEMINI) as provider, session(provider) as client:
        await client.send(See("data:image/png;base64,iVBORw0="))
        await provider.sessions[0].received("realtimeInput")
        with trio.move_on_after(60) as scope:
            await client.receive()
        assert scope.cancelled_caught


async def test_the_person_cuts_in_by_voice(autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory(LONG, GEMINI) as provider, session(provider) as client:
        await client.send(Say("Tell me everything."))
        started = await client.receive()
        assert isinstance(started, ReplyStarted)
        while not isinstance(await client.receive(), AudioDelta):
            pass
        await client.send(Hear(utterance(HEARS_HZ)))
        events = await until_done(client)
        assert events[-2:] == [SpeechStarted(), ReplyDone(started.reply_id, ReplyStatus.CANCELLED)]
        await client.send(Interrupt(started.reply_id, started.reply_id, running=True, heard_ms=40, heard_text="Nice"))
        after = [await client.receive() for _ in range(4)]
        assert after[:2] == [SpeechStopped(), UserSaid("Wait!")]
        assert isinstance(after[2], ReplyStarted)
        assert isinstance(after[3], AudioDelta)
        assert after[3].reply_id == after[2].reply_id != started.reply_id


async def test_the_person_cuts_in_by_typing(autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory(LONG, GEMINI) as provider, session(provider) as client:
        await client.send(Say("Tell me everything."))
        started, _ = await client.receive(), await client.receive()
        assert isinstance(started, ReplyStarted)
        await trio.sleep(1)  # 25 deltas of the old reply wait to be read
        await client.send(Interrupt(started.reply_id, started.reply_id, running=True, heard_ms=40, heard_text="Nice"))
        await client.send(Say("Stop.", "q2"))
        events = [await client.receive() for _ in range(3)]
        while not isinstance(events[-1], AudioDelta):
            events.append(await client.receive())
        done, again, *answer = [event for event in events if not isinstance(event, TextDelta)]
        assert done == ReplyDone(started.reply_id, ReplyStatus.CANCELLED)
        assert isinstance(again, ReplyStarted)
        assert again.request_id == "q2"
        assert {event.reply_id for event in answer if isinstance(event, AudioDelta)} == {again.reply_id}
        assert not any(isinstance(event, SpeechStarted) for event in events)


async def test_a_tool(autojump_clock: trio.testing.MockClock) -> None:
    behaviour = Behaviour(replies=(ToolCall("weather", '{"city":"Kobe"}'), "It is sunny."), response_ms=40)
    setup = Setup("", "default", "en", "m", tools=[WEATHER])
    async with open_provider_in_memory(behaviour, GEMINI) as provider, session(provider, setup) as client:
        await client.send(Say("How is the weather?"))
        started, call, done = await until_done(client)
        assert isinstance(started, ReplyStarted)
        assert isinstance(call, ToolCalled)
        assert (call.name, call.arguments) == ("weather", '{"city":"Kobe"}')
        assert done == ReplyDone(started.reply_id, ReplyStatus.COMPLETED)
        await client.send(ToolResult(call.call_id, call.name, '{"sky":"clear"}'))
        events = await until_done(client)
        assert text(events) == "It is sunny."
        [response] = provider.sessions[0].events("toolResponse")
        assert response["toolResponse"]["functionResponses"] == [
            {"id": call.call_id, "name": "weather", "response": {"sky": "clear"}}
        ]


async def test_where_another_voice_speaks_words_come_and_no_sound(autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory(QUICK, GEMINI) as provider, session(provider, speaks=False) as client:
        await client.send(Say("Hello"))
        events = await until_done(client)
        assert kinds(events) == [ReplyStarted, TextDelta, ReplyDone]
        assert text(events) == "Hi you."


async def test_the_end_is_announced_and_ignoring_it_loses_the_session(autojump_clock: trio.testing.MockClock) -> None:
    limited = with_real_limits(QUICK, GEMINI)
    async with open_provider_in_memory(limited, GEMINI) as provider, session(provider) as client:
        begun = trio.current_time()
        assert await client.receive() == Expiring(60)
        assert trio.current_time() - begun == 540
        with pytest.raises(SessionLost, match="GoAway"):
            await client.receive()
        assert trio.current_time() - begun == client.facts.max_session_s


async def refuse(provider: Provider) -> None:
    async with session(provider):
        pytest.fail("a refused session opened")


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, StatusCode.API_KEY_REJECTED), (403, StatusCode.API_KEY_REJECTED), (429, StatusCode.API_RATE_LIMIT)],
)
async def test_a_refused_upgrade(status: int, code: StatusCode, autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory(Behaviour(refuse_status=status), GEMINI) as provider:
        with pytest.raises(ProviderError) as refusal:
            await refuse(provider)
        assert refusal.value.code is code
        await provider.sockets(0)


@pytest.mark.parametrize("code", [1007, 1008])
async def test_a_key_that_is_refused_after_the_upgrade(code: int, autojump_clock: trio.testing.MockClock) -> None:
    """As Google does it: the socket opens, and is closed on the setup."""
    reason = "API key not valid. Please pass a valid API key."
    behaviour = Behaviour(dies_after_events=0, close_code=code, close_reason=reason)
    async with open_provider_in_memory(behaviour, GEMINI) as provider:
        with pytest.raises(KeyRejected, match="API key not valid") as refusal:
            await refuse(provider)
        assert "secret" not in refusal.value.details
        await provider.sockets(0)


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        (1007, "Request contains an invalid argument.", ProtocolBroken),
        (1008, "Connection aborted.", PolicyViolation),
        (1011, "Internal error encountered.", SessionLost),
        (1011, "You exceeded your current quota.", RateLimited),
    ],
)
async def test_a_session_that_dies(
    code: int, reason: str, error: type[ProviderError], autojump_clock: trio.testing.MockClock
) -> None:
    behaviour = Behaviour(dies_after_events=3, close_code=code, close_reason=reason)
    async with open_provider_in_memory(behaviour, GEMINI) as provider, session(provider) as client:
        await client.send(Say("Hello"))
        with pytest.raises(ProviderError, match=reason) as died:
            await until_lost(client)
        assert type(died.value) is error


async def test_a_line_that_drops_in_mid_word_over_a_socket() -> None:
    async with open_provider(Behaviour(drops_after_ms=40), GEMINI) as provider, session(provider) as client:
        await client.send(Say("Hello"))
        with pytest.raises(SessionLost):
            await until_lost(client)


async def test_garbage_is_passed_over(autojump_clock: trio.testing.MockClock) -> None:
    behaviour = Behaviour(garbage_after=3, response_ms=80)
    async with open_provider_in_memory(behaviour, GEMINI) as provider, session(provider) as client:
        await client.send(Say("Hello"))
        assert speech(await until_done(client))[-1] == 7


async def test_a_provider_that_falls_silent_still_answers_a_ping(autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory(Behaviour(silent_after=1), GEMINI) as provider, session(provider) as client:
        await client.send(Say("Hello"))
        with trio.move_on_after(60) as scope:
            await client.receive()
        assert scope.cancelled_caught
        with trio.fail_after(1):
            await client.ping()


async def test_a_turn_complete_that_is_missing(autojump_clock: trio.testing.MockClock) -> None:
    behaviour = Behaviour(
        response_ms=80,
        silence_ms=50,
        transcripts=("Hello.",),
        replies=("Hi you.", "So what?"),
        omits=frozenset({"serverContent.turnComplete"}),
    )
    async with open_provider_in_memory(behaviour, GEMINI) as provider, session(provider) as client:
        await client.send(Say("Hello"))
        heard: list[ModelEvent] = []
        while speech(heard) != list(range(8)):
            heard.append(await client.receive())
        await client.send(Hear(utterance(HEARS_HZ)))
        events = await until_done(client)
        started = heard[0]
        assert isinstance(started, ReplyStarted)
        assert events == [SpeechStarted(), ReplyDone(started.reply_id, ReplyStatus.COMPLETED)]
        assert (await client.receive(), await client.receive()) == (SpeechStopped(), UserSaid("Hello."))
        assert isinstance(await client.receive(), ReplyStarted)


def test_the_configuration_knows_it() -> None:
    vendor = VENDORS[ProviderKind.GEMINI]
    assert isinstance(vendor.dialect(speaks=True, max_session_s=None), GeminiDialect)
    assert vendor.url.endswith(GEMINI.path)
