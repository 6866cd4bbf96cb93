"""A client that comes back by itself: what it sends again, what it tells, and when it gives up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf
from random import Random

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from neko.client import ConnectionLost, ServerDraining, TakenOver, Unreachable
from neko.client.character import CharacterClient
from neko.client.lasting import GIVES_UP_AFTER_S, Dial, LastingLine
from neko.client.line import OneLine
from neko.client.outgoing import ASK_EVERY, BACKLOG, MIC_BACKLOG, PING, Outgoing
from neko.nurseries.outbox import Goodbye
from neko.protocol.client import AudioFraming, InputType
from neko.protocol.server import ServerMessage, SessionPreparing, SessionStarted, Status
from neko.realtime.session import Say
from tests.conftest import FakeHouse
from tests.cut_line import CutLines

NAME = "Mimi"
SOUND = b"\1\0" * 960


async def left(outgoing: Outgoing, count: int) -> list[str | bytes]:
    return [await outgoing.take() for _ in range(count)]


async def test_what_has_not_arrived_leaves_again_before_the_rest() -> None:
    outgoing = Outgoing()
    for frame in ("a", b"b", "c", "d"):
        await outgoing.put(frame)
    assert await left(outgoing, 3) == ["a", b"b", "c"]
    outgoing.back_to(1)
    assert await left(outgoing, 3) == [b"b", "c", "d"]
    outgoing.arrived(3)
    outgoing.back_to(3)
    assert await left(outgoing, 1) == ["d"]


async def test_of_sound_that_waits_the_oldest_goes_and_of_words_nothing(autojump_clock: MockClock) -> None:
    outgoing = Outgoing()
    await outgoing.put("first")
    for _ in range(MIC_BACKLOG // len(SOUND) + 3):
        await outgoing.put(SOUND)
    assert await outgoing.take() == "first"
    assert sum(isinstance(frame, bytes) for frame in outgoing._waiting) == MIC_BACKLOG // len(SOUND)
    full = Outgoing()
    for number in range(BACKLOG):
        await full.put(str(number))
    with trio.move_on_after(1) as waiting:
        await full.put("one too many")
    assert waiting.cancelled_caught
    assert await left(full, 2) == ["0", "1"]


async def test_it_asks_now_and_then_what_has_arrived() -> None:
    outgoing = Outgoing()
    for number in range(ASK_EVERY + 1):
        await outgoing.put(bytes([number]))
    frames = await left(outgoing, ASK_EVERY + 2)
    assert [at for at, frame in enumerate(frames) if frame is PING] == [ASK_EVERY]


@define(eq=False)
class Caller:
    """One client on a lasting line, everything it was told, and the reasons of its breaks."""

    client: CharacterClient
    line: LastingLine
    got: list[ServerMessage] = field(factory=list)
    breaks: list[ConnectionLost] = field(factory=list)
    ended: Exception | None = None

    @property
    def over(self) -> bool:
        return self.ended is not None

    async def listen(self) -> None:
        try:
            async for message in self.client:
                self.got.append(message)
        except Exception as error:
            self.ended = error


@asynccontextmanager
async def calling(dial: Dial) -> AsyncIterator[Caller]:
    breaks: list[ConnectionLost] = []
    line = LastingLine(dial, breaks.append, Random(3).uniform)
    caller = Caller(CharacterClient(line, AudioFraming.BINARY), line, breaks=breaks)
    async with trio.open_nursery() as nursery:
        await nursery.start(line.run)
        await caller.client.start(InputType.AUDIO)
        nursery.start_soon(caller.listen)
        yield caller
        nursery.cancel_scope.cancel()


async def test_what_is_said_while_the_line_is_down_arrives_once(house: FakeHouse, autojump_clock: MockClock) -> None:
    lines = CutLines(house.managers[NAME], AudioFraming.BASE64, 2.0)
    async with calling(lines) as caller:
        await trio.sleep(2.0)
        await caller.client.send_text("one")  # half of it leaves
        await caller.client.send_text("two")
        await trio.sleep(1)
        assert [each.text for each in house.model.got if isinstance(each, Say)] == ["one", "two"]
        assert [lost.code for lost in caller.breaks] == [1006]
        assert lines.dialled == 2


async def test_a_session_that_is_gone_is_started_anew_and_the_person_told(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    lines = CutLines(house.managers[NAME], AudioFraming.BASE64, 2.0)
    async with calling(out_of_reach(lines, 2.0, 37.0)) as caller:
        await caller.client.send_audio(SOUND, 24_000)
        await trio.sleep(2.0)
        lines.every_s = None
        await caller.client.send_text("half of this leaves")
        await trio.sleep(20)
        await caller.client.send_text("later")
        await trio.sleep(30)
        assert [type(each) for each in caller.got[-3:]] == [Status, SessionPreparing, SessionStarted]
        assert [each.code for each in caller.got if isinstance(each, Status)] == ["CHARACTER_DISCONNECTED"]
        assert len(house.models.sessions) == 2
        assert house.model.got == [Say("later")]
        await caller.client.send_audio(SOUND, 24_000)
        await trio.sleep(0.1)
        assert bytes(house.model.heard) == SOUND


@pytest.mark.parametrize(
    ("code", "error"), [(4001, TakenOver), (1012, ServerDraining), (1000, ConnectionLost), (1011, None)]
)
async def test_a_close_that_was_meant_is_the_end(
    house: FakeHouse, autojump_clock: MockClock, code: int, error: type[Exception] | None
) -> None:
    lines = CutLines(house.managers[NAME], AudioFraming.BASE64, None)
    async with calling(lines) as caller:
        house.managers[NAME]._post(Goodbye(code, "goodbye"))
        await trio.sleep(3)
        assert lines.dialled == (2 if error is None else 1)
        if error is not None:
            # The iteration just ends when a server closes normally.
            assert type(caller.ended) is error or code == 1000
            with pytest.raises(error):
                await caller.client.send_text("hello?")


async def test_it_gives_up_after_a_minute(house: FakeHouse, autojump_clock: MockClock) -> None:
    lines = CutLines(house.managers[NAME], AudioFraming.BASE64, 2.0)
    async with calling(out_of_reach(lines, 2.0, inf)) as caller:
        await trio.sleep(2)
        await caller.client.send_text("hello?")
        await trio.sleep(GIVES_UP_AFTER_S - 1)
        assert (caller.over, lines.dialled) == (False, 1)
        await trio.sleep(2)
        assert isinstance(caller.ended, ConnectionLost)
        assert lines.dialled == 1


async def test_who_waits_for_room_learns_that_the_line_is_over(house: FakeHouse, autojump_clock: MockClock) -> None:
    lines = CutLines(house.managers[NAME], AudioFraming.BASE64, 2.0)
    async with calling(out_of_reach(lines, 2.0, inf)) as caller:
        await trio.sleep(3)
        with trio.fail_after(2 * GIVES_UP_AFTER_S), pytest.raises(ConnectionLost):
            await type_much(caller.client)


async def type_much(client: CharacterClient) -> None:
    for number in range(2 * BACKLOG):
        await client.send_text(str(number))


def out_of_reach(lines: CutLines, begins_s: float, ends_s: float) -> Dial:
    """Between these times nobody answers."""
    begun = trio.current_time()

    @asynccontextmanager
    async def dial() -> AsyncIterator[OneLine]:
        if begins_s <= trio.current_time() - begun < ends_s:
            raise Unreachable("nobody there")
        async with lines() as line:
            yield line

    return dial
