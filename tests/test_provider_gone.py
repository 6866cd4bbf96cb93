"""A provider that goes: whoever notices first, and whatever its close meant, another session takes over or says why."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.realtime.dial import dial
from neko.realtime.dialects.openai import OpenAiDialect
from neko.realtime.errors import PolicyViolation, SessionLost, Unreachable
from neko.realtime.omni_realtime import OmniRealtimeClient
from neko.realtime.session import GoOn, Hear, ModelCommand, ReplyStarted, Say, TextDelta, UserSaid
from neko.sockets import Socket, SocketClosed
from neko.testing.fake_model import FakeModelSession
from neko.testing.person import open_person
from tests.conftest import FakeHouse
from tests.eager_house import GONE, EagerHouse, ask, speak, start

FORBIDDEN = PolicyViolation("the provider closed with 1008")


async def test_a_story_is_gone_on_with_when_the_writer_notices_first(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        old = eager.current
        old.say(UserSaid("a story!"), ReplyStarted("r1"), TextDelta("r1", "Once upon a time "))
        await wait_all_tasks_blocked()
        old.open = False
        old.say(*[TextDelta("r1", "x ")] * 60, GONE)
        await speak(person, 20)
        await trio.sleep(1)
        assert eager.current is not old
        assert eager.current.got == [GoOn()]


async def test_a_forbidding_close_costs_one_session_when_the_reader_notices_it(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as person:
        await start(person)
        old = house.model
        old.say(FORBIDDEN)
        await trio.sleep(1)
        assert person.types()[-1] == "neko.session_swapped"
        assert house.models.live == [house.model]
        assert house.model is not old


async def test_a_forbidding_close_costs_one_session_when_the_writer_notices_it(
    house: FakeHouse, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = FakeModelSession.send

    async def forbidden_at_first(self: FakeModelSession, command: ModelCommand) -> None:
        if self.id == "fake_0":
            raise FORBIDDEN
        await send(self, command)

    monkeypatch.setattr(FakeModelSession, "send", forbidden_at_first)
    async with house.client() as person:
        await start(person)
        await ask(person, "hello?")
        await trio.sleep(1)
        assert person.types()[-1] == "neko.session_swapped"
        assert house.model.got == [Say("hello?")]


async def test_who_sends_into_a_closed_socket_learns_that_the_session_is_lost() -> None:
    """What the close meant is for whoever reads."""

    class Closed:
        async def send(self, *_: Any) -> None:
            raise SocketClosed(1008, "policy")

    client = OmniRealtimeClient(cast(Socket, Closed()), OpenAiDialect(speaks=True))
    with pytest.raises(SessionLost):
        await client.send(Hear(bytes(2)))


async def test_a_tls_handshake_that_fails_is_told_at_once() -> None:
    """By a server that speaks plain HTTP on that port, and keeps the socket open."""

    async def plain(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, plain, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        with trio.fail_after(3), pytest.raises(Unreachable, match="TLS"):
            async with dial(f"wss://127.0.0.1:{port}/", {}):
                pytest.fail("the handshake succeeded")
        nursery.cancel_scope.cancel()
