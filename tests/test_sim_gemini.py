"""Gemini Live as the simulator speaks it: what a client got."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pybase64
import pytest
import trio

from neko.testing import (
    DIALECTS,
    Behaviour,
    ToolCall,
    open_provider,
    open_provider_in_memory,
    silence,
    tag,
    with_real_limits,
)
from tests.sim_client import Event, SimClient, tags_in, talking_to, utterance

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from neko.testing import ProviderInMemory

GEMINI = DIALECTS["gemini"]
HZ = 16_000
QUICK = Behaviour(response_ms=80, silence_ms=50, transcripts=("Hello.",), replies=("Hi you.",))
LONG = Behaviour(response_ms=60_000, silence_ms=50, paced=True)
CAPTIONS: Event = {"inputAudioTranscription": {}, "outputAudioTranscription": {}}
RESUMABLE: Event = {"sessionResumption": {}}
TOOLS: Event = {"tools": [{"functionDeclarations": [{"name": "weather"}]}]}


def simulator(behaviour: Behaviour = QUICK) -> AbstractAsyncContextManager[ProviderInMemory]:
    return open_provider_in_memory(behaviour, GEMINI)


async def set_up(client: SimClient, **setup: Any) -> None:
    await client.send({"setup": {"model": "models/gemini-live", **setup}})
    await client.until("setupComplete")


async def say(client: SimClient, pcm: bytes, rate: int = HZ) -> None:
    sound = {"mimeType": f"audio/pcm;rate={rate}", "data": pybase64.b64encode_as_string(pcm)}
    await client.send({"realtimeInput": {"audio": sound}})


async def type_in(client: SimClient, text: str) -> None:
    turns = [{"role": "user", "parts": [{"text": text}]}]
    await client.send({"clientContent": {"turns": turns, "turnComplete": True}})


def says(name: str) -> Any:
    return lambda event: name in event.get("serverContent", {})


def contents(client: SimClient) -> list[str]:
    """What each message is, in order."""
    return [next(iter(event.get("serverContent", event))) for event in client.got]


def speech(client: SimClient) -> list[int]:
    turns = [event["serverContent"]["modelTurn"] for event in client.got if says("modelTurn")(event)]
    return tags_in([part["inlineData"]["data"] for turn in turns for part in turn["parts"]])


async def test_a_spoken_turn_over_a_socket() -> None:
    async with open_provider(QUICK, GEMINI) as provider, talking_to(provider, "?key=secret") as client:
        assert provider.handshakes[0].query == {"key": "secret"}
        await set_up(client, **CAPTIONS)
        await say(client, utterance(HZ))
        await client.until(says("turnComplete"))
        assert contents(client) == [
            "setupComplete",
            "inputTranscription",
            "outputTranscription",
            "modelTurn",
            "outputTranscription",
            "modelTurn",
            "generationComplete",
            "turnComplete",
        ]
        assert client.got[1] == {"serverContent": {"inputTranscription": {"text": "Hello."}}}
        assert speech(client) == list(range(8))
        assert provider.sessions[0].tags == list(range(15))
        assert len(provider.sessions[0].events("realtimeInput")) == 1


async def test_its_json_comes_in_binary_frames(autojump_clock: trio.testing.MockClock) -> None:
    async with simulator() as provider, talking_to(provider) as client:
        await client.send({"setup": {"model": "models/gemini-live"}})
        assert await client.socket.receive() == b'{"setupComplete":{}}'


async def test_captions_come_to_those_who_ask(autojump_clock: trio.testing.MockClock) -> None:
    async with simulator() as provider, talking_to(provider) as client:
        await set_up(client)
        await say(client, utterance(HZ))
        await client.until(says("turnComplete"))
        assert contents(client)[1:] == ["modelTurn", "modelTurn", "generationComplete", "turnComplete"]


@pytest.mark.parametrize("interrupt", ["speech", "text", "activityStart"])
async def test_the_person_interrupts(interrupt: str, autojump_clock: trio.testing.MockClock) -> None:
    async with simulator(LONG) as provider, talking_to(provider) as client:
        await set_up(client)
        await type_in(client, "Tell me everything.")
        await client.until(says("modelTurn"))
        match interrupt:
            case "speech":
                await say(client, utterance(HZ))
            case "text":
                await type_in(client, "Stop.")
            case "activityStart":
                await client.send({"realtimeInput": {"activityStart": {}}})
        await client.until(says("interrupted"))
        await client.until(says("turnComplete"))
        assert contents(client)[-2:] == ["interrupted", "turnComplete"]
        assert "generationComplete" not in contents(client)


async def test_who_does_not_want_to_be_interrupted_is_not(autojump_clock: trio.testing.MockClock) -> None:
    behaviour = Behaviour(response_ms=400, silence_ms=50, paced=True)
    async with simulator(behaviour) as provider, talking_to(provider) as client:
        await set_up(client, realtimeInputConfig={"activityHandling": "NO_INTERRUPTION"})
        await type_in(client, "Tell me everything.")
        await client.until(says("modelTurn"))
        await say(client, tag(0, 5, HZ))
        await client.until(says("turnComplete"))
        assert provider.sessions[0].tags == [0, 1, 2, 3, 4]
        assert "interrupted" not in contents(client)


async def test_turns_by_hand_and_the_end_of_the_sound(autojump_clock: trio.testing.MockClock) -> None:
    async with simulator() as provider, talking_to(provider) as client:
        await set_up(client, realtimeInputConfig={"automaticActivityDetection": {"disabled": True}})
        await client.send({"realtimeInput": {"activityStart": {}}})
        await say(client, utterance(HZ))
        await client.send({"realtimeInput": {"activityEnd": {}}})
        await client.until(says("turnComplete"))
        assert speech(client) == list(range(8))
    async with simulator() as provider, talking_to(provider) as client:
        await set_up(client)
        await say(client, tag(0, 10, HZ))
        await client.send({"realtimeInput": {"audioStreamEnd": True}})
        await client.until(says("turnComplete"))
        assert speech(client) == list(range(8))


async def test_words_instead_of_speech(autojump_clock: trio.testing.MockClock) -> None:
    async with simulator() as provider, talking_to(provider) as client:
        await set_up(client, generationConfig={"responseModalities": ["TEXT"]})
        await client.send({"realtimeInput": {"text": "Hello"}})
        await client.until(says("turnComplete"))
        turns = [event["serverContent"]["modelTurn"] for event in client.got if says("modelTurn")(event)]
        assert turns == [
            {"role": "model", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"text": " you."}]},
        ]


async def test_a_tool_is_called_and_its_result_is_answered(autojump_clock: trio.testing.MockClock) -> None:
    behaviour = Behaviour(replies=(ToolCall("weather", '{"city":"Kobe"}'), "It is sunny."), response_ms=40)
    async with simulator(behaviour) as provider, talking_to(provider) as client:
        await set_up(client, **TOOLS, **RESUMABLE, **CAPTIONS)
        await type_in(client, "How is the weather?")
        (call,) = (await client.until("toolCall"))["toolCall"]["functionCalls"]
        assert (call["name"], call["args"]) == ("weather", {"city": "Kobe"})
        answer = {"id": call["id"], "name": "weather", "response": {"sky": "clear"}}
        await client.send({"toolResponse": {"functionResponses": [answer]}})
        await client.until("sessionResumptionUpdate")
        captions = (
            event["serverContent"]["outputTranscription"] for event in filter(says("outputTranscription"), client.got)
        )
        assert "".join(caption["text"] for caption in captions) == "It is sunny."
        # In the middle of a call there is nothing to resume.
        assert contents(client).count("sessionResumptionUpdate") == 2


async def test_a_warning_comes_a_minute_before_the_end(autojump_clock: trio.testing.MockClock) -> None:
    async with simulator(with_real_limits(QUICK, GEMINI)) as provider, talking_to(provider) as client:
        await set_up(client)
        begun = trio.current_time()
        assert await client.until("goAway") == {"goAway": {"timeLeft": "60s"}}
        assert trio.current_time() - begun == 540
        code, reason = await client.until_closed()
        assert (code, trio.current_time() - begun) == (1008, 600)
        assert "after receiving a GoAway" in reason


async def test_a_warning_by_hand(autojump_clock: trio.testing.MockClock) -> None:
    async with simulator() as provider, talking_to(provider) as client:
        await (await provider.session()).go_away(7.5)
        assert await client.until("goAway") == {"goAway": {"timeLeft": "7.5s"}}


async def test_a_handle_resumes_only_when_the_old_socket_is_closed(autojump_clock: trio.testing.MockClock) -> None:
    async with simulator() as provider:
        async with talking_to(provider) as old:
            await set_up(old, **RESUMABLE)
            await type_in(old, "Remember me.")
            await old.until(says("turnComplete"))
            update = (await old.until("sessionResumptionUpdate"))["sessionResumptionUpdate"]
            assert update["resumable"]
            resumption = {"sessionResumption": {"handle": update["newHandle"]}}
            async with talking_to(provider) as early:
                await early.send({"setup": {"model": "models/gemini-live", **resumption}})
                assert (await early.until_closed())[0] == 1011
            async with talking_to(provider) as beside:
                await set_up(beside)  # without the handle two sessions may overlap
        await provider.sockets(0)
        async with talking_to(provider) as new:
            await set_up(new, **resumption)
            newer = (await new.until("sessionResumptionUpdate"))["sessionResumptionUpdate"]["newHandle"]
            assert newer != update["newHandle"]


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (["{"], 1007),
        (["[]"], 1007),
        (['{"realtimeInput": {"text": "Hello"}}'], 1007),
        (['{"setup": {}}'], 1007),
        (['{"setup": {"model": "m"}}', '{"setup": {"model": "m"}}'], 1007),
        (['{"setup": {"model": "m"}}', '{"session.update": {}}'], 1007),
        (['{"setup": {"model": "m"}}', '{"toolResponse": {"functionResponses": [{"id": "x", "response": {}}]}}'], 1007),
        (['{"setup": {"model": "m"}}', '{"realtimeInput": {"audio": {"data": "*", "mimeType": "audio/pcm"}}}'], 1007),
        (['{"setup": {"model": "m", "sessionResumption": {"handle": "stale"}}}'], 1008),
    ],
)
async def test_what_is_wrong_closes_the_socket(
    frames: list[str], code: int, autojump_clock: trio.testing.MockClock
) -> None:
    async with simulator() as provider, talking_to(provider) as client:
        for frame in frames:
            await client.socket.send(frame)
        assert (await client.until_closed())[0] == code


async def test_another_rate_than_16_khz_is_refused(autojump_clock: trio.testing.MockClock) -> None:
    async with simulator() as provider, talking_to(provider) as client:
        await set_up(client)
        await say(client, silence(1, 24_000), rate=24_000)
        assert await client.until_closed() == (1007, "This simulator hears audio/pcm;rate=16000 only.")


async def test_beyond_the_rate_limit_the_socket_is_closed(autojump_clock: trio.testing.MockClock) -> None:
    async with simulator(Behaviour(replies_until_limit=0)) as provider, talking_to(provider) as client:
        await set_up(client)
        await type_in(client, "Hello")
        code, reason = await client.until_closed()
        assert (code, reason.split(",")[0]) == (1011, "You exceeded your current quota")


async def test_messages_may_be_missing(autojump_clock: trio.testing.MockClock) -> None:
    behaviour = Behaviour(response_ms=40, omits=frozenset({"serverContent.generationComplete"}))
    async with simulator(behaviour) as provider, talking_to(provider) as client:
        await set_up(client)
        await type_in(client, "Hello")
        await client.until(says("turnComplete"))
        assert contents(client) == ["setupComplete", "modelTurn", "turnComplete"]
