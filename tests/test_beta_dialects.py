"""All that speak OpenAI's words, older or newer: neko's client against the simulator of each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pybase64
import pytest
import trio
from trio.testing import MockClock

from neko.app.dialects import reach
from neko.audio.pcm import pieces
from neko.audio.resample import SpeechResampler
from neko.realtime.dial import dial
from neko.realtime.dialects.azure import API_VERSION
from neko.realtime.dialects.base import Setup
from neko.realtime.errors import Arrears, KeyRejected, ProviderError, RateLimited, SessionLost
from neko.realtime.omni_realtime import OmniRealtimeClient, open_realtime
from neko.realtime.session import (
    AudioDelta,
    Complaint,
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
from tests.kinds import GA, KIN, dialect_of, provider_of, simulator

BETA = [kind for kind in KIN if kind not in GA]
LINES = (Line("system", "It is Sunday."), Line("user", "Hi"), Line("assistant", "Hello you!"))
MORE = (Line("user", "Are you there?"), Line("assistant", "Always."))
WEATHER = Tool("weather", "What the sky looks like", {"type": "object", "properties": {"city": {"type": "string"}}})
QUICK = Behaviour(silence_ms=50, response_ms=80)
JPEG = pybase64.b64encode_as_string(b"\xff\xd8 a picture")


@asynccontextmanager
async def session(
    provider: Provider,
    kind: str,
    *,
    speaks: bool = True,
    lines: Sequence[Line] = (),
    tools: Sequence[Tool] = (),
) -> AsyncIterator[OmniRealtimeClient]:
    setup = Setup("You are Mimi.", "default", "en", "sim", lines, tools)
    way = provider.dial if isinstance(provider, ProviderInMemory) else dial
    async with open_realtime(dialect_of(kind, speaks=speaks), setup, provider.url, "secret", dial=way) as client:
        yield client


async def until(client: OmniRealtimeClient, kind: type[ModelEvent]) -> list[ModelEvent]:
    events: list[ModelEvent] = []
    with trio.fail_after(10):
        while not events or not isinstance(events[-1], kind):
            events.append(await client.receive())
    return events


async def listen(client: OmniRealtimeClient) -> None:
    while True:
        await client.receive()


def words(events: Sequence[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def tags(events: Sequence[ModelEvent], hz: int) -> list[int]:
    reader = TagReader(hz)
    return [block for event in events if isinstance(event, AudioDelta) for block in reader.push(event.pcm)]


def endings(events: Sequence[ModelEvent]) -> list[ReplyStatus]:
    return [event.status for event in events if isinstance(event, ReplyDone)]


def updates(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event["session"] for event in events if event["type"] == "session.update"]


def items(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event["item"] for event in events if event["type"] == "conversation.item.create"]


@pytest.mark.parametrize("kind", KIN)
async def test_a_spoken_turn_after_priming(kind: str) -> None:
    """Over a socket. Priming must leave the server's ears as they were."""
    async with open_provider(QUICK, simulator(kind)) as provider, session(provider, kind, lines=LINES) as client:
        hears_hz, speaks_hz = client.facts.hears_hz, client.facts.speaks_hz
        assert (hears_hz, speaks_hz) == (simulator(kind).hears_hz, simulator(kind).speaks_hz)
        assert hears_hz
        assert speaks_hz
        await client.prime(MORE)
        for frame in pieces(tag(0, 40, hears_hz) + silence(10, hears_hz), 20, hears_hz):
            await client.send(Hear(frame))
        events = await until(client, ReplyDone)
        order = [type(event) for event in events]
        assert order.index(SpeechStarted) < order.index(SpeechStopped) < order.index(ReplyStarted)
        assert order.index(ReplyStarted) < order.index(AudioDelta)
        assert UserSaid("Hello there.") in events
        assert words(events) == "Nice to meet you."
        assert tags(events, speaks_hz) == list(range(8))
        assert endings(events) == [ReplyStatus.COMPLETED]
        assert not any(isinstance(event, Complaint) for event in events)
        theirs = await provider.session()
        assert theirs.tags == list(range(40))
        if kind.startswith("azure"):
            assert theirs.handshake.headers["api-key"] == "secret"
            assert "authorization" not in theirs.handshake.headers
        else:
            assert theirs.handshake.headers["authorization"] == "Bearer secret"
        beta_of_azure = {"api-version": API_VERSION, "deployment": "sim"}
        assert theirs.handshake.query == (beta_of_azure if kind == "azure beta" else {"model": "sim"})
        assert theirs.handshake.headers.get("openai-beta") == ("realtime=v1" if kind == "openai beta" else None)


@pytest.mark.parametrize("kind", KIN)
@pytest.mark.parametrize("mic_hz", [16_000, 24_000, 48_000])
async def test_every_microphone_reaches_every_vendor_at_the_rate_that_it_takes(
    kind: str, mic_hz: int, autojump_clock: MockClock
) -> None:
    behaviour = Behaviour(silence_ms=5_000)
    async with open_provider_in_memory(behaviour, simulator(kind)) as provider, session(provider, kind) as client:
        assert client.facts.hears_hz
        ears = SpeechResampler(mic_hz, client.facts.hears_hz)
        for frame in pieces(tag(0, 60, mic_hz) + silence(10, mic_hz), 20, mic_hz):
            await client.send(Hear(ears.push(frame)))
        theirs = await provider.session()
        await theirs.heard(59)
        assert theirs.tags == list(range(60))


@pytest.mark.parametrize("kind", ["qwen", "glm", "xai"])
async def test_what_was_said_before_is_told_in_the_instructions(kind: str, autojump_clock: MockClock) -> None:
    async with (
        open_provider_in_memory(QUICK, simulator(kind)) as provider,
        session(provider, kind, lines=LINES) as client,
    ):
        await client.prime(MORE)
        theirs = await provider.session()
        await theirs.received("session.update", 2)
        first, second = updates(theirs.got)
        told = "It is Sunday.\nuser: Hi\nassistant: Hello you!"
        assert first["instructions"].startswith("You are Mimi.\n")
        assert first["instructions"].endswith(told)
        assert second["instructions"] == first["instructions"] + "\nuser: Are you there?\nassistant: Always."
        assert first | {"instructions": ""} == second | {"instructions": ""}
        assert items(theirs.got) == []


@pytest.mark.parametrize(
    ("kind", "answer"), [("step", "text"), ("openai", "output_text"), ("azure", "output_text"), ("openai beta", "text")]
)
async def test_what_was_said_before_becomes_items(kind: str, answer: str, autojump_clock: MockClock) -> None:
    async with (
        open_provider_in_memory(QUICK, simulator(kind)) as provider,
        session(provider, kind, lines=LINES) as client,
    ):
        await client.prime(MORE)
        theirs = await provider.session()
        system = int(kind != "step")  # it has no such items
        await theirs.received("conversation.item.create", 4 + system)
        told = [(item["role"], item["content"]) for item in items(theirs.got)]
        [update] = updates(theirs.got)
        if system:
            assert told.pop(0) == ("system", [{"type": "input_text", "text": "It is Sunday."}])
            assert update["instructions"] == "You are Mimi."
        else:
            assert update["instructions"].endswith("\nIt is Sunday.")
        assert told == [
            ("user", [{"type": "input_text", "text": "Hi"}]),
            ("assistant", [{"type": answer, "text": "Hello you!"}]),
            ("user", [{"type": "input_text", "text": "Are you there?"}]),
            ("assistant", [{"type": answer, "text": "Always."}]),
        ]


@pytest.mark.parametrize("kind", KIN)
async def test_typed_words_and_news_are_answered(kind: str, autojump_clock: MockClock) -> None:
    async with open_provider_in_memory(QUICK, simulator(kind)) as provider, session(provider, kind) as client:
        await client.send(Say("What is new?", "q1"))
        events = await until(client, ReplyDone)
        await client.send(Tell("The tea is ready."))
        events += await until(client, ReplyDone)
        assert endings(events) == [ReplyStatus.COMPLETED] * 2
        assert words(events) == "Nice to meet you." * 2
        assert not any(isinstance(event, Complaint) for event in events)
        theirs = await provider.session()
        asked = [(item["role"], item["content"][0]["text"]) for item in items(theirs.got)]
        teller = "system" if kind in GA else "user"
        assert asked == [("user", "What is new?"), (teller, "The tea is ready.")]


@pytest.mark.parametrize("kind", BETA)
async def test_three_texts_in_a_row_are_all_taken_and_answers_know_whose_they_are(
    kind: str, autojump_clock: MockClock
) -> None:
    behaviour = Behaviour(paced=True, response_ms=400)
    async with open_provider_in_memory(behaviour, simulator(kind)) as provider, session(provider, kind) as client:
        for number in range(3):
            await client.send(Say(f"text {number}", f"q{number}"))
        events = await until(client, ReplyDone) + await until(client, ReplyDone) + await until(client, ReplyDone)
        assert endings(events) == [ReplyStatus.CANCELLED, ReplyStatus.CANCELLED, ReplyStatus.COMPLETED]
        begun = [event.request_id for event in events if isinstance(event, ReplyStarted)]
        assert begun == ["q0", "q1", "q2"]
        assert not any(isinstance(event, Complaint) for event in events)


OPENAI_CUT = ["response.cancel", "conversation.item.truncate"]
CUTS: dict[str, list[str]] = {
    "openai": OPENAI_CUT,
    "azure": OPENAI_CUT,
    "openai beta": OPENAI_CUT,
    "azure beta": OPENAI_CUT,
    "xai": ["response.cancel"],
    "qwen": ["response.cancel"],
    "glm": ["response.cancel"],
    "step": ["response.cancel", "conversation.item.delete", "conversation.item.create"],
}


@pytest.mark.parametrize("kind", KIN)
async def test_an_interruption_ends_the_reply_as_far_as_the_vendor_can(kind: str, autojump_clock: MockClock) -> None:
    behaviour = Behaviour(paced=True, response_ms=2_000)
    async with open_provider_in_memory(behaviour, simulator(kind)) as provider, session(provider, kind) as client:
        await client.send(Say("Go on."))
        [*_, sound] = await until(client, AudioDelta)
        assert isinstance(sound, AudioDelta)
        theirs = await provider.session()
        before = len(theirs.got)
        await client.send(Interrupt(sound.reply_id, sound.item_id, running=True, heard_ms=20, heard_text="Nice"))
        begun = trio.current_time()
        events = await until(client, ReplyDone)
        assert endings(events) == [ReplyStatus.CANCELLED]
        assert trio.current_time() - begun < 0.1
        cut = theirs.got[before:]
        assert [event["type"] for event in cut] == CUTS[kind][: len(cut)]
        await client.send(Say("And now?"))
        events = await until(client, ReplyDone)
        assert endings(events) == [ReplyStatus.COMPLETED]
        assert not any(isinstance(event, Complaint) for event in events)
        cut = theirs.got[before:]
        assert [event["type"] for event in cut][: len(CUTS[kind])] == CUTS[kind]
        assert len([event for event in cut if event["type"] == "response.cancel"]) == (2 if kind in GA else 1)
        if kind == "step":
            assert cut[1]["item_id"] == sound.item_id
            assert cut[2]["item"]["content"] == [{"type": "text", "text": "Nice"}]


@pytest.mark.parametrize("kind", KIN)
async def test_an_interruption_that_the_server_hears_too_is_no_complaint(kind: str, autojump_clock: MockClock) -> None:
    behaviour = Behaviour(paced=True, response_ms=2_000, silence_ms=50)
    async with open_provider_in_memory(behaviour, simulator(kind)) as provider, session(provider, kind) as client:
        await client.send(Say("Go on."))
        [*_, sound] = await until(client, AudioDelta)
        assert isinstance(sound, AudioDelta)
        hz = client.facts.hears_hz
        assert hz
        await client.send(Hear(tag(0, 20, hz)))
        await until(client, SpeechStarted)
        await client.send(Interrupt(sound.reply_id, sound.item_id, running=True, heard_ms=20, heard_text="Nice"))
        await client.send(Hear(silence(10, hz)))
        events = await until(client, ReplyDone) + await until(client, ReplyDone)
        assert endings(events) == [ReplyStatus.CANCELLED, ReplyStatus.COMPLETED]
        assert not any(isinstance(event, Complaint) for event in events)


@pytest.mark.parametrize("kind", KIN)
async def test_a_tool_is_called_and_its_result_is_answered(kind: str, autojump_clock: MockClock) -> None:
    behaviour = Behaviour(replies=(ToolCall("weather", '{"city":"Kobe"}'), "It is sunny."), response_ms=40)
    async with (
        open_provider_in_memory(behaviour, simulator(kind)) as provider,
        session(provider, kind, tools=[WEATHER]) as client,
    ):
        await client.send(Say("How is the weather in Kobe?"))
        events = await until(client, ReplyDone)
        [call] = [event for event in events if isinstance(event, ToolCalled)]
        assert (call.name, call.arguments) == ("weather", '{"city":"Kobe"}')
        assert call.call_id
        await client.send(ToolResult(call.call_id, call.name, '{"sky":"clear"}'))
        assert words(await until(client, ReplyDone)) == "It is sunny."
        theirs = await provider.session()
        [*_, result] = items(theirs.got)
        expected = {"type": "function_call_output", "output": '{"sky":"clear"}'}
        assert result == (expected if kind == "glm" else expected | {"call_id": call.call_id})


@pytest.mark.parametrize(
    ("kind", "modalities"),
    [("qwen", ["text"]), ("glm", ["text"]), ("openai beta", ["text"]), ("step", ["text", "audio"]), ("xai", None)],
)
async def test_where_another_voice_speaks_only_words_come(
    kind: str, modalities: list[str] | None, autojump_clock: MockClock
) -> None:
    """Step and xAI speak whether they are asked to or not."""
    async with (
        open_provider_in_memory(QUICK, simulator(kind)) as provider,
        session(provider, kind, speaks=False) as client,
    ):
        await client.send(Say("Hi"))
        events = await until(client, ReplyDone)
        assert client.facts.speaks_hz is None
        assert words(events) == "Nice to meet you."
        assert not any(isinstance(event, AudioDelta) for event in events)
        theirs = await provider.session()
        assert updates(theirs.got)[0].get("modalities") == modalities


async def test_qwen_is_shown_a_picture_once_it_has_heard_something(autojump_clock: MockClock) -> None:
    async with open_provider_in_memory(QUICK, DIALECTS["qwen"]) as provider, session(provider, "qwen") as client:
        assert client.facts.sees
        await client.send(See("data:image/jpeg;base64,AAAA"))
        await client.send(See(f"data:image/jpeg;base64,{JPEG}"))
        await client.send(Hear(silence(2, 16_000)))
        await client.send(Hear(silence(2, 16_000)))
        await client.send(See("data:image/jpeg;base64,BBBB"))
        theirs = await provider.session()
        await theirs.received("input_image_buffer.append", 2)
        shown = [event.get("image") for event in theirs.got[1:]]
        assert shown == [None, JPEG, None, "BBBB"]


async def test_glm_looks_at_pictures_in_a_mode_of_its_own(autojump_clock: MockClock) -> None:
    async with open_provider_in_memory(QUICK, DIALECTS["glm"]) as provider, session(provider, "glm") as client:
        assert client.facts.sees
        for _ in range(2):
            await client.send(See(f"data:image/jpeg;base64,{JPEG}"))
        theirs = await provider.session()
        await theirs.received("input_audio_buffer.append_video_frame", 2)
        assert [event.get("video_frame") for event in theirs.got] == [None, None, JPEG, JPEG]
        first, second = updates(theirs.got)
        assert first["beta_fields"] == {"chat_mode": "audio"}
        assert second == first | {"beta_fields": {"chat_mode": "video_passive"}}


async def test_step_is_shown_nothing(autojump_clock: MockClock) -> None:
    async with open_provider_in_memory(QUICK, DIALECTS["step"]) as provider, session(provider, "step") as client:
        assert not client.facts.sees
        await client.send(See(f"data:image/jpeg;base64,{JPEG}"))
        await client.send(Say("Look!"))
        await until(client, ReplyDone)
        theirs = await provider.session()
        assert [event["type"] for event in theirs.got] == [
            "session.update",
            "conversation.item.create",
            "response.create",
        ]


@pytest.mark.parametrize("kind", KIN)
async def test_the_vendor_s_own_limit_loses_the_session_and_is_known_beforehand(
    kind: str, autojump_clock: MockClock
) -> None:
    life_s = simulator(kind).max_session_s
    behaviour = with_real_limits(QUICK, simulator(kind)) if life_s else Behaviour(expires_after_s=600)
    async with open_provider_in_memory(behaviour, simulator(kind)) as provider, session(provider, kind) as client:
        assert client.facts.max_session_s == life_s
        begun = trio.current_time()
        with pytest.raises(SessionLost):
            await listen(client)
        assert trio.current_time() - begun == pytest.approx(life_s or 600)


@pytest.mark.parametrize("kind", KIN)
def test_a_configured_limit_takes_the_place_of_the_vendor_s(kind: str) -> None:
    reached = reach(provider_of(kind, max_session_s=60), speaks=True)
    assert reached.dialect.facts.max_session_s == 60
    assert reached.url.startswith("wss://")
    assert urlsplit(reached.dialect.url(reached.url, "m")).path == simulator(kind).path
    assert reached.model


@pytest.mark.parametrize("kind", KIN)
@pytest.mark.parametrize(("status", "error"), [(401, KeyRejected), (402, Arrears), (429, RateLimited)])
async def test_a_refusal_in_the_handshake(
    kind: str, status: int, error: type[ProviderError], autojump_clock: MockClock
) -> None:
    async with open_provider_in_memory(Behaviour(refuse_status=status), simulator(kind)) as provider:
        with pytest.raises(error, match=f"HTTP {status}"):
            async with session(provider, kind):
                pytest.fail("a refused session opened")


@pytest.mark.parametrize(
    ("kind", "code", "error"),
    [
        ("openai", "insufficient_quota", Arrears),
        ("qwen", "Arrearage", Arrears),
        ("qwen", "Throttling.RateQuota", RateLimited),
        ("qwen", "InvalidApiKey", KeyRejected),
        ("glm", "1113", Arrears),
        ("glm", "1302", RateLimited),
        ("glm", "1002", KeyRejected),
        ("step", "rate_limit_exceeded", RateLimited),
    ],
)
async def test_an_error_that_ends_the_session_is_known_by_its_code(
    kind: str, code: str, error: type[ProviderError], autojump_clock: MockClock
) -> None:
    async with open_provider_in_memory(QUICK, simulator(kind)) as provider, session(provider, kind) as client:
        theirs = await provider.session()
        await theirs.emit({"type": "error", "error": {"type": "server_error", "code": "odd", "message": "one"}})
        await theirs.emit({"type": "error", "error": {"type": "server_error", "code": code, "message": "two"}})
        [*_, complaint] = await until(client, Complaint)
        assert isinstance(complaint, Complaint)
        assert complaint.details == "one"
        with pytest.raises(error, match="two"):
            await client.receive()


@pytest.mark.parametrize("kind", KIN)
async def test_beyond_the_rate_limit_a_reply_fails_and_the_session_lives_on(
    kind: str, autojump_clock: MockClock
) -> None:
    behaviour = Behaviour(replies_until_limit=1, response_ms=40)
    async with open_provider_in_memory(behaviour, simulator(kind)) as provider, session(provider, kind) as client:
        events: list[ModelEvent] = []
        for _ in range(2):
            await client.send(Say("Hi"))
            events += await until(client, ReplyDone)
        assert endings(events) == [ReplyStatus.COMPLETED, ReplyStatus.FAILED]
        await client.ping()


@pytest.mark.parametrize("kind", KIN)
@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (Behaviour(dies_after_events=6, close_code=1011, close_reason="oops"), "1011 oops"),
        (Behaviour(drops_after_ms=40), "connection broke"),
        (Behaviour(expires_after_s=0.05), "1001|maximum duration"),
    ],
)
async def test_a_session_that_ends_by_itself_is_lost_with_its_reason(
    kind: str, behaviour: Behaviour, said: str
) -> None:
    async with open_provider(behaviour, simulator(kind)) as provider, session(provider, kind) as client:
        await client.send(Say("Hello?"))
        with pytest.raises(SessionLost, match=said):
            await listen(client)
        await provider.sockets(0)


@pytest.mark.parametrize("kind", KIN)
async def test_a_silent_vendor_still_answers_pings(kind: str, autojump_clock: MockClock) -> None:
    """Whose silence lasts too long, the caller decides."""
    behaviour = Behaviour(silent_after=3)
    async with open_provider_in_memory(behaviour, simulator(kind)) as provider, session(provider, kind) as client:
        await client.send(Say("Hello?"))
        with trio.move_on_after(60):
            await listen(client)
        theirs = await provider.session()
        assert theirs.open
        assert "response.create" in [event["type"] for event in theirs.got]
        await client.ping()


@pytest.mark.parametrize("kind", KIN)
async def test_garbage_is_passed_over(kind: str, autojump_clock: MockClock) -> None:
    behaviour = Behaviour(garbage_after=5, response_ms=80)
    async with open_provider_in_memory(behaviour, simulator(kind)) as provider, session(provider, kind) as client:
        await client.send(Say("Hello?"))
        events = await until(client, ReplyDone)
        assert tags(events, 24_000) == list(range(8))
        assert endings(events) == [ReplyStatus.COMPLETED]


@pytest.mark.parametrize("kind", KIN)
async def test_without_response_created_the_reply_still_has_its_name_and_its_end(
    kind: str, autojump_clock: MockClock
) -> None:
    behaviour = Behaviour(omits=frozenset({"response.created"}), response_ms=80)
    async with open_provider_in_memory(behaviour, simulator(kind)) as provider, session(provider, kind) as client:
        for _ in range(2):
            await client.send(Say("Hello?"))
            events = await until(client, ReplyDone)
            named = {event.reply_id for event in events if isinstance(event, AudioDelta | TextDelta | ReplyDone)}
            assert len(named) == 1
            assert not any(isinstance(event, ReplyStarted | Complaint) for event in events)
        theirs = await provider.session()
        if kind not in GA:
            assert theirs.events("response.cancel") == []
