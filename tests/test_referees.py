"""The vendors' own packages as referees: what our clients send, and what our simulators say, is what their types allow.

The packages let unknown fields pass; here they are told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, get_args

import google.genai.types as genai
import openai.types.beta.realtime as beta
import openai.types.realtime as ga
import orjson
import pytest
import trio
from pydantic import BaseModel
from trio.testing import MockClock

from neko.realtime.dialects.base import Setup
from neko.realtime.errors import RateLimited, SessionLost
from neko.realtime.omni_realtime import OmniRealtimeClient, open_realtime
from neko.realtime.session import Hear, Interrupt, Line, Say, See, Tell, Tool, ToolCalled, ToolResult
from neko.sockets import nobody_takes
from neko.testing import Behaviour, ToolCall, open_provider_in_memory, silence, tag
from tests.kinds import dialect_of, simulator
from tests.test_golden_transcripts import golden

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from neko.sockets import Socket, Taken

JUDGED = ("openai", "azure", "openai beta", "azure beta", "gemini")


def by_type(union: Any) -> dict[str, type[BaseModel]]:
    """The models of a union, by the type of frame that each is of."""
    members = get_args(get_args(union)[0])
    return {kind: model for model in members for kind in get_args(model.model_fields["type"].annotation)}


CLIENT = {"ga": by_type(ga.RealtimeClientEvent), "beta": by_type(beta.RealtimeClientEvent)}
SERVER = {"ga": by_type(ga.RealtimeServerEvent), "beta": by_type(beta.RealtimeServerEvent)}
# What the API sends, and the package's types of an event that shows a session leave out.
UNTYPED = {".session.object", ".session.id", ".session.expires_at"}
SKY = Tool("sky", "What is above", {"type": "object", "properties": {"when": {"type": "string"}}})
MODEL = "gpt-4o-realtime-preview"  # of the beta, the package names each model
SETUP = Setup(
    "You are Mimi.", "default", "en", MODEL, [Line("user", "Hi"), Line("assistant", "Hello!")], [SKY], resume=""
)
PLAY = Behaviour(replies=(ToolCall("sky", '{"when":"now"}'), "It is blue."), silence_ms=50, response_ms=80)


def judge(kind: str, frame: dict[str, Any], *, of_client: bool) -> None:
    """Raises ValidationError or AssertionError when the vendor's package knows no such frame."""
    if kind == "gemini":
        (genai.LiveClientMessage if of_client else genai.LiveServerMessage).model_validate(frame)
        return
    models = (CLIENT if of_client else SERVER)["beta" if kind.endswith("beta") else "ga"]
    read = models[frame["type"]].model_validate(frame)
    assert set(strays(read)) <= (set() if of_client else UNTYPED), frame


def strays(value: object, where: str = "") -> Iterator[str]:
    """The fields that the package's types do not have."""
    if isinstance(value, BaseModel):
        yield from (f"{where}.{name}" for name in value.model_extra or {})
        for name in type(value).model_fields:
            yield from strays(getattr(value, name), f"{where}.{name}")
    elif isinstance(value, list):
        for each in value:
            yield from strays(each, where)


def test_the_referees_notice() -> None:
    with pytest.raises(AssertionError):
        judge("openai", {"type": "response.create", "response": {"modality": "x"}}, of_client=True)
    with pytest.raises(ValueError, match="validation error"):
        judge("openai", {"type": "conversation.item.truncate", "item_id": "a"}, of_client=True)
    with pytest.raises(ValueError, match="validation error"):
        judge("gemini", {"clientContent": {"turn": []}}, of_client=True)


@pytest.mark.parametrize("kind", JUDGED)
def test_the_golden_transcripts_are_the_vendors_own_types(kind: str) -> None:
    sent, told = golden(kind, "sent.json"), golden(kind, "told.json")
    for frame in [*sent["opening"], *(frame for step in sent["transcript"] for frame in step["frames"])]:
        judge(kind, frame, of_client=True)
    for step in told["transcript"]:
        if "error" not in step["frame"] or kind != "gemini":  # which Google's package does not model
            judge(kind, step["frame"], of_client=False)


class Overheard:
    """A socket, and what has come and gone through it."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self.sent: list[dict[str, Any]] = []
        self.got: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    async def send(self, *frames: str | bytes) -> None:
        self.sent += map(orjson.loads, frames)
        await self._socket.send(*frames)

    async def receive(self, taken: Taken = nobody_takes) -> str | bytes:
        def overheard(frame: str | bytes) -> bool:
            took = taken(frame)
            if took:
                self.got.append(orjson.loads(frame))
            return took

        frame = await self._socket.receive(overheard)
        self.got.append(orjson.loads(frame))
        return frame


async def converse(client: OmniRealtimeClient) -> None:
    """Everything that a client may say, and most of what it may be told."""
    hz = client.facts.hears_hz
    assert hz
    await client.send(Say("What is above?", "q1"))
    while not isinstance(event := await client.receive(), ToolCalled):
        pass
    await client.send(ToolResult(event.call_id, event.name, '{"sky":"blue"}'))
    with trio.move_on_after(1):
        await listen(client)
    await client.prime([Line("user", "Are you there?"), Line("assistant", "Always.")])
    await client.send(See("data:image/jpeg;base64,/9g="))
    await client.send(Hear(tag(0, 20, hz) + silence(20, hz)))
    with trio.move_on_after(1):
        await listen(client)
    await client.send(Tell("Tea!"))
    await client.send(Interrupt("resp_0_9", "item_0_9", running=True, heard_ms=20, heard_text="It"))
    with trio.move_on_after(1):
        await listen(client)


async def listen(client: OmniRealtimeClient) -> None:
    while True:
        await client.receive()


async def say_hi(client: OmniRealtimeClient) -> None:
    await client.send(Say("Hi"))
    with trio.move_on_after(1):
        await listen(client)


PLAYS: list[tuple[Behaviour, Callable[[OmniRealtimeClient], Awaitable[None]]]] = [
    (PLAY, converse),
    (Behaviour(replies_until_limit=0), say_hi),
    (Behaviour(paced=True, expires_after_s=1.5, go_away_s=1.0, silence_ms=50), converse),
]


@pytest.mark.parametrize("kind", JUDGED)
@pytest.mark.parametrize(("behaviour", "play"), PLAYS, ids=["everything", "rate limit", "expires"])
async def test_a_conversation_is_in_the_vendors_own_types(
    kind: str,
    behaviour: Behaviour,
    play: Callable[[OmniRealtimeClient], Awaitable[None]],
    autojump_clock: MockClock,
) -> None:
    async with open_provider_in_memory(behaviour, simulator(kind)) as provider:
        heard: list[Overheard] = []

        @asynccontextmanager
        async def overheard(url: str, headers: Mapping[str, str]) -> AsyncIterator[Any]:
            async with provider.dial(url, headers) as socket:
                heard.append(Overheard(socket))
                yield heard[0]

        limited = kind == "gemini" and behaviour.replies_until_limit == 0  # which ends Google's session
        ends = pytest.raises((SessionLost, RateLimited)) if behaviour.expires_after_s or limited else nullcontext()
        with ends:
            async with open_realtime(dialect_of(kind), SETUP, provider.url, "key", dial=overheard) as client:
                await play(client)
    [socket] = heard
    assert len(socket.sent) >= 2
    assert socket.got
    for frame in socket.sent:
        judge(kind, frame, of_client=True)
    for frame in socket.got:
        judge(kind, frame, of_client=False)
