"""`OmniOfflineClient` against a chat completions endpoint on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from attrs import evolve

from neko.conversation.backoff import Backoff
from neko.protocol.errors import StatusCode
from neko.realtime.asking import TRIES, WithTools
from neko.realtime.chat import ChatEndpoint, open_chat
from neko.realtime.omni_offline import OmniOfflineClient, open_offline
from neko.realtime.session import (
    Complaint,
    Interrupt,
    Line,
    ModelEvent,
    Repeating,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    Say,
    See,
    Tell,
    TextDelta,
    Tool,
    ToolCalled,
    ToolResult,
)
from neko.testing import Chat, ChatReply, Style, ToolCall
from neko.testing import open_chat as open_fake_chat

HI = Line("user", "Hi")
AT_ONCE = evolve(TRIES, backoff=partial(Backoff, 0, 0))


@asynccontextmanager
async def session(
    fake: Chat, *, tools: Sequence[Tool] = (), room_tokens: int | None = None
) -> AsyncIterator[OmniOfflineClient]:
    endpoint = ChatEndpoint(fake.url, "qwen3:4b", "secret")
    async with open_chat(endpoint) as chat:
        model = WithTools(chat, tools) if tools else chat
        async with open_offline(model, "You are Mimi.", [HI], room_tokens=room_tokens, tries=AT_ONCE) as client:
            yield client


async def events_until_done(client: OmniOfflineClient) -> list[ModelEvent]:
    events: list[ModelEvent] = []
    while not events or not isinstance(events[-1], ReplyDone):
        events.append(await client.receive())
    return events


def told(fake: Chat, number: int) -> list[tuple[str, object]]:
    return [(message["role"], message["content"]) for message in fake.requests[number].body["messages"]]


async def test_a_turn_is_streamed_and_remembered() -> None:
    async with open_fake_chat(ChatReply(pieces=("Hel", "lo."))) as fake, session(fake) as client:
        await client.prime([Line("assistant", "Hi you!")])
        await client.send(Say("Are you there?", "q1"))
        events = await events_until_done(client)
        reply_id = events[0].reply_id if isinstance(events[0], ReplyStarted) else ""
        assert events == [
            ReplyStarted(reply_id, "q1"),
            TextDelta(reply_id, "Hel"),
            TextDelta(reply_id, "lo."),
            ReplyDone(reply_id, ReplyStatus.COMPLETED),
        ]
        await client.send(Say("And now?"))
        await events_until_done(client)
        assert told(fake, 1) == [
            ("system", "You are Mimi."),
            ("user", "Hi"),
            ("assistant", "Hi you!"),
            ("user", "Are you there?"),
            ("assistant", "Hello."),
            ("user", "And now?"),
        ]
        assert fake.requests[0].headers["authorization"] == "Bearer secret"
        assert fake.requests[0].body["model"] == "qwen3:4b"


async def test_an_interruption_hangs_up_and_remembers_what_was_heard() -> None:
    stalled = ChatReply(pieces=("One two ", "three."), stall_after=1)
    async with open_fake_chat(stalled, ChatReply(pieces=("Yes?",))) as fake, session(fake) as client:
        await client.send(Say("Count."))
        started, piece = await client.receive(), await client.receive()
        assert isinstance(started, ReplyStarted)
        assert isinstance(piece, TextDelta)
        await client.send(Interrupt(started.reply_id, None, running=True, heard_ms=300, heard_text="One"))
        assert await client.receive() == ReplyDone(started.reply_id, ReplyStatus.CANCELLED)
        await fake.streams(0)
        await client.send(Say("Stop."))
        await events_until_done(client)
        assert told(fake, 1)[2:] == [("user", "Count."), ("assistant", "One"), ("user", "Stop.")]


async def test_an_interruption_after_the_reply_shortens_it() -> None:
    async with open_fake_chat(ChatReply(pieces=("One two three.",))) as fake, session(fake) as client:
        await client.send(Say("Count."))
        started, *_ = await events_until_done(client)
        assert isinstance(started, ReplyStarted)
        await client.send(Interrupt(started.reply_id, None, running=False, heard_ms=300, heard_text="One two"))
        await client.send(Say("Go on."))
        await events_until_done(client)
        assert told(fake, 1)[2:] == [("user", "Count."), ("assistant", "One two"), ("user", "Go on.")]


async def test_news_and_pictures_are_told() -> None:
    async with open_fake_chat() as fake, session(fake) as client:
        await client.send(See("data:image/png;base64,AAAA"))
        await client.send(Tell("The tea is ready."))
        await events_until_done(client)
        assert told(fake, 0)[2:] == [
            ("user", [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]),
            ("system", "The tea is ready."),
        ]


async def test_a_picture_that_a_model_refuses_is_not_shown_again() -> None:
    replies = (ChatReply(refuse_status=400), ChatReply(pieces=("Yes?",)))
    async with open_fake_chat(*replies) as fake, session(fake) as client:
        await client.send(See("data:image/png;base64,AAAA"))
        await client.send(Say("Look."))
        await events_until_done(client)
        await client.send(Say("Hello?"))
        await events_until_done(client)
        assert told(fake, 1)[2:] == [("user", "Look."), ("user", "Hello?")]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (ChatReply(refuse_status=401), StatusCode.API_KEY_REJECTED),
        (ChatReply(refuse_status=402), StatusCode.API_ARREARS),
        (ChatReply(refuse_status=429), StatusCode.API_RATE_LIMIT),
        (ChatReply(refuse_status=500), StatusCode.API_UNKNOWN_ERROR),
        (ChatReply(cut_after=1), StatusCode.API_UNREACHABLE),
        (ChatReply(garbage_after=1), StatusCode.API_UNKNOWN_ERROR),
    ],
)
async def test_a_failure_is_told_and_the_session_lives_on(reply: ChatReply, code: StatusCode) -> None:
    async with open_fake_chat(*[reply] * TRIES.most, ChatReply(pieces=("Better.",))) as fake, session(fake) as client:
        await client.send(Say("Hello?"))
        *_, complaint, done = await events_until_done(client)
        assert isinstance(complaint, Complaint)
        assert complaint.code is code
        assert isinstance(done, ReplyDone)
        assert done.status is ReplyStatus.FAILED
        fake.replies = (ChatReply(pieces=("Better.",)),)
        await client.send(Say("Again?"))
        assert TextDelta in [type(event) for event in await events_until_done(client)]


async def test_leaving_hangs_up() -> None:
    async with open_fake_chat(ChatReply(stall_after=1)) as fake:
        async with session(fake) as client:
            await client.send(Say("Hello?"))
            await fake.streams(1)
        with trio.fail_after(5):
            await fake.streams(0)


WEATHER = Tool("weather", "Tells it.", {"type": "object", "properties": {"city": {"type": "string"}}})
TIME = Tool("time", "Tells it.")
KOBE, NOW = ToolCall("weather", '{"city":"Kobe"}'), ToolCall("time", "{}")


@pytest.mark.parametrize("style", Style)
async def test_tools_are_offered_called_and_answered(style: Style) -> None:
    calling = ChatReply(pieces=("Let me look. ",), calls=(KOBE, NOW), style=style)
    async with (
        open_fake_chat(calling, ChatReply(pieces=("Sunny.",))) as fake,
        session(fake, tools=[WEATHER, TIME]) as client,
    ):
        await client.send(Say("How is the weather?"))
        started, words, *calls, done = await events_until_done(client)
        assert isinstance(started, ReplyStarted)
        assert words == TextDelta(started.reply_id, "Let me look. ")
        asked = [each for each in calls if isinstance(each, ToolCalled)]
        assert [(each.name, each.arguments, each.reply_id) for each in asked] == [
            ("weather", '{"city":"Kobe"}', started.reply_id),
            ("time", "{}", started.reply_id),
        ]
        assert len({each.call_id for each in asked}) == 2
        assert done == ReplyDone(started.reply_id, ReplyStatus.COMPLETED)
        assert [tool["function"]["name"] for tool in fake.requests[0].body["tools"]] == ["weather", "time"]
        # In another order than they were asked for, as the quicker one is done first.
        await client.send(ToolResult(asked[1].call_id, "time", "noon", asks=False))
        await client.send(ToolResult(asked[0].call_id, "weather", "clear"))
        assert await events_until_done(client)
        _, _, _, asking, *results = fake.requests[1].body["messages"]
        assert asking["content"] == "Let me look. "
        assert [call["function"]["name"] for call in asking["tool_calls"]] == ["weather", "time"]
        assert results == [
            {"role": "tool", "tool_call_id": asked[0].call_id, "content": "clear"},
            {"role": "tool", "tool_call_id": asked[1].call_id, "content": "noon"},
        ]


async def test_a_cancelled_tool_is_answered_before_the_next_words() -> None:
    calling = ChatReply(pieces=(), calls=(KOBE,))
    async with open_fake_chat(calling, ChatReply()) as fake, session(fake, tools=[WEATHER]) as client:
        await client.send(Say("How is the weather?"))
        started, call, _ = await events_until_done(client)
        assert isinstance(started, ReplyStarted)
        assert isinstance(call, ToolCalled)
        await client.send(Interrupt(started.reply_id, None, running=False, heard_ms=0, heard_text=""))
        await client.send(ToolResult(call.call_id, "weather", "Cancelled.", asks=False))
        await client.send(Say("Never mind."))
        await events_until_done(client)
        roles = [message["role"] for message in fake.requests[1].body["messages"]]
        assert roles == ["system", "user", "user", "assistant", "tool", "user"]


async def test_without_tools_none_are_offered() -> None:
    async with open_fake_chat() as fake, session(fake) as client:
        await client.send(Say("Hello?"))
        await events_until_done(client)
        assert "tools" not in fake.requests[0].body


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_may_pass_is_tried_again_before_the_first_piece(status: int) -> None:
    async with (
        open_fake_chat(ChatReply(refuse_status=status), ChatReply(refuse_status=status), ChatReply()) as fake,
        session(fake) as client,
    ):
        await client.send(Say("Hello?"))
        events = await events_until_done(client)
        assert [type(each) for each in events] == [ReplyStarted, *[TextDelta] * 4, ReplyDone]
        assert len(fake.requests) == 3


async def test_what_does_not_pass_is_not_tried_again() -> None:
    async with open_fake_chat(ChatReply(refuse_status=401)) as fake, session(fake) as client:
        await client.send(Say("Hello?"))
        await events_until_done(client)
        assert len(fake.requests) == 1


async def test_after_the_first_piece_nothing_is_tried_again() -> None:
    async with open_fake_chat(ChatReply(cut_after=1), ChatReply()) as fake, session(fake) as client:
        await client.send(Say("Hello?"))
        *_, done = await events_until_done(client)
        assert isinstance(done, ReplyDone)
        assert (done.status, len(fake.requests)) == (ReplyStatus.FAILED, 1)


async def test_an_endpoint_that_asks_for_a_long_pause_is_not_waited_for() -> None:
    slow_down = ChatReply(refuse_status=429, retry_after_s=600)
    async with open_fake_chat(slow_down) as fake, session(fake) as client:
        await client.send(Say("Hello?"))
        _, complaint, _ = await events_until_done(client)
        assert isinstance(complaint, Complaint)
        assert "600 s" in complaint.details
        assert len(fake.requests) == 1


async def test_a_connection_that_is_refused_is_tried_again() -> None:
    async with open_fake_chat() as fake:
        url = fake.url
    async with (
        open_chat(ChatEndpoint(url, "m")) as chat,
        open_offline(chat, "You are Mimi.", [], tries=AT_ONCE) as client,
    ):
        await client.send(Say("Hello?"))
        _, complaint, done = await events_until_done(client)
        assert isinstance(complaint, Complaint)
        assert complaint.code is StatusCode.API_UNREACHABLE
        assert isinstance(done, ReplyDone)


async def test_the_same_again_and_again_is_stopped_and_forgotten() -> None:
    again = ChatReply(pieces=("<happy> I like the sea. ", "Do you?", " And so on."))
    async with open_fake_chat(again) as fake, session(fake) as client:
        for number in range(2):
            await client.send(Say(f"question {number}"))
            await events_until_done(client)
        await client.send(Say("question 2"))
        *words, repeating, done = await events_until_done(client)
        assert isinstance(repeating, Repeating)
        assert isinstance(done, ReplyDone)
        assert done.status is ReplyStatus.CANCELLED
        # Most of it is enough to see that it is the same.
        assert [each.text for each in words if isinstance(each, TextDelta)] == ["<happy> I like the sea. ", "Do you?"]
        await fake.streams(0)
        fake.replies = (ChatReply(pieces=("Something else.",)),)
        await client.send(Say("question 3"))
        *_, done = await events_until_done(client)
        assert isinstance(done, ReplyDone)
        assert done.status is ReplyStatus.COMPLETED
        assert [role for role, _ in told(fake, 3)] == ["system", "user", "user", "user", "user", "user"]


async def test_a_long_conversation_is_trimmed_to_what_the_server_holds() -> None:
    async with open_fake_chat() as fake, session(fake, room_tokens=400) as client:
        for number in range(20):
            letter = chr(ord("a") + number)  # whoever repeats himself is stopped
            fake.replies = (ChatReply(pieces=(f"{letter * 4} " * 50,)),)
            await client.send(Say(f"question {number}"))
            await events_until_done(client)
        sizes = [len(request.body["messages"]) for request in fake.requests]
        assert max(sizes) < 14
        for number, _ in enumerate(fake.requests):
            messages = told(fake, number)
            assert (messages[0], messages[-1]) == (("system", "You are Mimi."), ("user", f"question {number}"))


async def test_of_many_pictures_two_are_sent_before_the_question() -> None:
    async with open_fake_chat() as fake, session(fake) as client:
        for name in "ABCD":
            await client.send(See(f"data:image/png;base64,{name}"))
        await client.send(Say("What is this?"))
        await events_until_done(client)
        shown = [each[0]["image_url"]["url"][-1] for _, each in told(fake, 0) if isinstance(each, list)]
        assert shown == ["C", "D"]
        assert told(fake, 0)[-1] == ("user", "What is this?")


async def test_a_model_that_refuses_a_picture_is_known_not_to_see() -> None:
    async with open_fake_chat(ChatReply(refuse_status=400), ChatReply()) as fake, session(fake) as client:
        assert client.facts.sees
        await client.send(See("data:image/png;base64,AAAA"))
        await client.send(Say("Look."))
        await events_until_done(client)
        assert not client.facts.sees
