"""The simulator's tools, limits, warnings and late pongs in OpenAI's dialect, as what a client got."""

from __future__ import annotations

import pytest
import trio

from neko.testing import Behaviour, Ended, Party, ToolCall, open_provider, open_provider_in_memory
from tests.sim_client import SimClient, talking_to, utterance

WEATHER = {"type": "function", "name": "weather", "description": "", "parameters": {"type": "object"}}
CALLING = Behaviour(replies=(ToolCall("weather", '{"city":"Kobe"}'), "It is sunny."), response_ms=40, silence_ms=50)
CALLED = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]


async def offer_weather(client: SimClient) -> None:
    await client.send({"type": "session.update", "session": {"type": "realtime", "tools": [WEATHER]}})
    await client.until("session.updated")


async def test_a_tool_is_called_and_its_result_is_answered(autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory(CALLING) as provider, talking_to(provider) as client:
        await offer_weather(client)
        begun = len(client.got)
        await client.send({"type": "response.create"})
        call = (await client.until("response.done"))["response"]["output"][0]
        assert client.types[begun:] == CALLED
        assert (call["type"], call["name"], call["arguments"]) == ("function_call", "weather", '{"city":"Kobe"}')
        deltas = [event["delta"] for event in client.of("response.function_call_arguments.delta")]
        assert "".join(deltas) == call["arguments"]
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": '{"sky":"clear"}'}
        await client.send({"type": "conversation.item.create", "item": result})
        await client.send({"type": "response.create"})
        said = (await client.until("response.done"))["response"]["output"][0]["content"][0]
        assert said["transcript"] == "It is sunny."
        assert provider.sessions[0].events("conversation.item.create")[0]["item"] == result


async def test_speech_is_answered_with_a_tool_call_too() -> None:
    async with open_provider(CALLING) as provider, talking_to(provider) as client:
        await offer_weather(client)
        await client.say(utterance(24_000))
        assert (await client.until("response.function_call_arguments.done"))["name"] == "weather"


async def test_a_tool_that_is_not_offered_is_not_called(autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory(CALLING) as provider, talking_to(provider) as client:
        await client.send({"type": "response.create"})
        output = (await client.until("response.done"))["response"]["output"][0]
        assert output["content"][0]["transcript"] == "It is sunny."


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"type": "function_call_output", "call_id": "call_none", "output": "{}"}, "invalid_tool_call_id"),
        ({"type": "function_call_output", "output": "{}"}, "missing_required_parameter"),
    ],
)
async def test_a_result_needs_its_call(item: dict[str, str], code: str, autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory(CALLING) as provider, talking_to(provider) as client:
        await client.send({"type": "conversation.item.create", "item": item})
        assert (await client.until("error"))["error"]["code"] == code


async def test_beyond_the_rate_limit_a_response_fails_and_the_session_lives_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    behaviour = Behaviour(replies_until_limit=1, response_ms=40)
    async with open_provider_in_memory(behaviour) as provider, talking_to(provider) as client:
        for _ in range(3):
            await client.send({"type": "response.create"})
            await client.until("response.done")
        ended = [event["response"] for event in client.of("response.done")]
        assert [response["status"] for response in ended] == ["completed", "failed", "failed"]
        assert ended[1]["status_details"]["error"]["code"] == "rate_limit_exceeded"
        assert client.types[-4:] == ["response.created", "response.done"] * 2


async def test_pongs_are_late_and_nothing_else_is(autojump_clock: trio.testing.MockClock) -> None:
    behaviour = Behaviour(pong_delay_s=20, response_ms=40)
    async with (
        open_provider_in_memory(behaviour) as provider,
        talking_to(provider) as client,
        trio.open_nursery() as nursery,
    ):
        begun = trio.current_time()
        nursery.start_soon(client.socket.ping)
        await trio.testing.wait_all_tasks_blocked()
        await client.send({"type": "response.create"})
        await client.until("response.done")
        assert trio.current_time() == begun
        await client.socket.ping()
        assert trio.current_time() == begun + 20


async def test_a_pong_that_is_due_while_the_session_closes_is_left_out(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_provider_in_memory(Behaviour(pong_delay_s=0.5)) as provider, talking_to(provider) as client:
        session = await provider.session()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.socket.ping)
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(100):  # more than the client takes without reading, so that it does not see the close frame
                await session.emit({"type": "noise"})
            begun = trio.current_time()
            await session.close()
            assert trio.current_time() - begun == 1
            nursery.cancel_scope.cancel()
        assert session.ended == Ended(Party.PROVIDER, 1000)


async def test_late_pongs_over_a_socket() -> None:
    async with open_provider(Behaviour(pong_delay_s=0.05)) as provider, talking_to(provider) as client:
        begun = trio.current_time()
        for _ in range(2):
            await client.socket.ping()
        assert trio.current_time() - begun >= 0.1


async def test_an_hour_goes_by_in_no_time_and_ends_as_openai_ends_it(autojump_clock: trio.testing.MockClock) -> None:
    behaviour = Behaviour(expires_after_s=3600, go_away_s=60)
    async with open_provider_in_memory(behaviour) as provider, talking_to(provider) as client:
        begun = trio.current_time()
        assert (await client.until("error"))["error"]["code"] == "session_expired"
        assert await client.until_closed() == (1001, "Your session hit the maximum duration of 60 minutes.")
        assert trio.current_time() - begun == 3600
        assert client.types == ["session.created", "error"]
        assert await provider.sessions[0].closed() == Ended(Party.PROVIDER, 1001)


async def test_a_session_can_be_expired_and_deafened_by_hand(autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory() as provider, talking_to(provider) as client:
        session = await provider.session()
        await session.deafen()
        with trio.move_on_after(60) as waiting:
            await client.socket.ping()
        assert waiting.cancelled_caught
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.expire)
            assert (await client.until_closed())[0] == 1001
