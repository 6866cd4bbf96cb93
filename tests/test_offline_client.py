"""`OmniOfflineClient` against a chat completions endpoint on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from neko.protocol.errors import StatusCode
from neko.realtime.chat import ChatEndpoint, open_chat
from neko.realtime.omni_offline import OmniOfflineClient, open_offline
from neko.realtime.session import (
    Complaint,
    Interrupt,
    Line,
    ModelEvent,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    Say,
    See,
    Tell,
    TextDelta,
)
from neko.testing import Chat, ChatReply
from neko.testing import open_chat as open_fake_chat

HI = Line("user", "Hi")


@asynccontextmanager
async def session(fake: Chat) -> AsyncIterator[OmniOfflineClient]:
    endpoint = ChatEndpoint(fake.url, "qwen3:4b", "secret")
    async with open_chat(endpoint) as model, open_offline(model, "You are Mimi.", [HI]) as client:
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
    async with open_fake_chat(reply, ChatReply(pieces=("Better.",))) as fake, session(fake) as client:
        await client.send(Say("Hello?"))
        *_, complaint, done = await events_until_done(client)
        assert isinstance(complaint, Complaint)
        assert complaint.code is code
        assert isinstance(done, ReplyDone)
        assert done.status is ReplyStatus.FAILED
        await client.send(Say("Again?"))
        assert TextDelta in [type(event) for event in await events_until_done(client)]


async def test_leaving_hangs_up() -> None:
    async with open_fake_chat(ChatReply(stall_after=1)) as fake:
        async with session(fake) as client:
            await client.send(Say("Hello?"))
            await fake.streams(1)
        with trio.fail_after(5):
            await fake.streams(0)
