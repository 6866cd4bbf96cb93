"""Which place of the language model's memory each session has, and that no reading delays an answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, aclosing, asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.app.places import LEAVES_WITHIN, Places, Seat
from neko.local.engines import ChatMessage
from neko.local.llama_process import SLOTS
from neko.realtime.errors import NotReady

YUI = ChatMessage(role="system", content="You are Yui.")
HELLO = ChatMessage(role="user", content="Hello!")
HI = ChatMessage(role="assistant", content="Hi, how are you?")
READS_S = 2.0


@define
class FakeChat:
    """Notes for which slot it is asked what; its first word takes `READS_S`."""

    slot: int = -1
    asked: list[tuple[int, str]] = field(factory=list)
    heard_out: list[str] = field(factory=list)

    def with_options(self, *, id_slot: int | None = None, **_: float) -> FakeChat:
        return FakeChat(self.slot if id_slot is None else id_slot, self.asked, self.heard_out)

    @asynccontextmanager
    async def reply(self, messages: Sequence[Mapping[str, Any]]) -> AsyncIterator[AsyncIterator[str]]:
        self.asked.append((self.slot, messages[-1]["content"]))
        async with aclosing(self._pieces(messages[-1]["content"])) as pieces:
            yield pieces

    async def _pieces(self, last: str) -> AsyncGenerator[str, None]:
        await trio.sleep(READS_S)
        self.heard_out.append(last)
        yield "Hi, "
        await trio.sleep(1)
        yield "how are you?\n"


def places(chat: FakeChat) -> Places:
    return Places(chat)  # type: ignore[arg-type]


async def ask(seat: Seat, *messages: ChatMessage) -> None:
    async with seat.reply(messages) as pieces:
        async for _ in pieces:
            pass


async def test_the_next_session_of_a_conversation_has_nothing_to_read(autojump_clock: MockClock) -> None:
    chat = FakeChat()
    house = places(chat)
    with house.take() as current, house.take() as pending:
        await current.read([YUI])
        await ask(current, YUI, HELLO)
        await current.read([YUI, HELLO, HI])
        begun = trio.current_time()
        await pending.read([YUI, HELLO, HI])
        assert trio.current_time() == begun
    assert chat.asked == [(0, "You are Yui."), (0, "Hello!"), (0, "")]


async def test_an_answer_is_read_with_all_that_stands_before_the_next_words(autojump_clock: MockClock) -> None:
    chat = FakeChat()
    with places(chat).take() as seat:
        await ask(seat, YUI, HELLO)
        await seat.read([YUI, HELLO, HI])
        await seat.read([YUI, HELLO, HI])
        await ask(seat, YUI, HELLO, HI, HELLO)
    assert chat.asked == [(0, "Hello!"), (0, ""), (0, "Hello!")]


async def test_another_personality_is_read_elsewhere(autojump_clock: MockClock) -> None:
    chat = FakeChat()
    house = places(chat)
    with house.take() as current, house.take() as pending:
        await current.read([YUI])
        await pending.read([ChatMessage(role="system", content="You are Ren.")])
        await ask(current, YUI, HELLO)
    assert chat.asked == [(0, "You are Yui."), (1, "You are Ren."), (0, "Hello!")]


async def test_a_reading_gives_way_and_goes_on_afterwards(autojump_clock: MockClock) -> None:
    chat = FakeChat()
    house = places(chat)
    with house.take() as current, house.take() as pending:
        await current.read([YUI])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pending.read, [ChatMessage(role="system", content="You are Ren.")])
            await wait_all_tasks_blocked()
            await ask(current, YUI, HELLO)
            assert chat.heard_out == ["You are Yui.", "Hello!"]
    assert chat.heard_out == ["You are Yui.", "Hello!", "You are Ren."]


async def test_who_takes_over_stays_where_the_other_leaves(autojump_clock: MockClock) -> None:
    chat = FakeChat()
    house = places(chat)
    tail = ChatMessage(role="user", content="As they remember it.")
    with house.take() as pending:
        async with trio.open_nursery() as nursery:
            with house.take() as current:
                await current.read([YUI])
                await pending.read([YUI])
                await ask(current, YUI, HELLO)
                nursery.start_soon(pending.read, [YUI, tail])
                await trio.sleep(LEAVES_WITHIN / 2)
        await ask(pending, YUI, tail, HI, HELLO)
    assert [slot for slot, _ in chat.asked] == [0] * 4


async def test_two_conversations_that_begin_alike_part(autojump_clock: MockClock) -> None:
    chat = FakeChat()
    house = places(chat)
    with house.take() as one, house.take() as other:
        await one.read([YUI])
        await other.read([YUI])
        await ask(one, YUI, HELLO)
        await ask(other, YUI, ChatMessage(role="user", content="Good evening!"))
        await ask(one, YUI, HELLO, HI, HELLO)
    assert [slot for slot, _ in chat.asked] == [0, 0, 1, 0]


async def test_a_place_that_was_left_is_found_again_and_a_full_house_is_shared(autojump_clock: MockClock) -> None:
    chat = FakeChat()
    house = places(chat)
    names = [[ChatMessage(role="system", content=f"You are number {n}.")] for n in range(SLOTS + 1)]
    for name in names[:2]:
        with house.take() as gone:
            await gone.read(name)
    with ExitStack() as seats:
        for name in reversed(names):
            await seats.enter_context(house.take()).read(name)
    # Number 1 finds itself read; number 0 does not any more, and has no place of its own.
    assert chat.asked == [
        (slot, f"You are number {n}.") for slot, n in [(0, 0), (1, 1), (2, 4), (3, 3), (0, 2), (0, 0)]
    ]


# --- aside of the conversations ---------------------------------------------------------------------------------------

ASIDE = ("Translate.", "Good morning.", 100)


@define
class Aside:
    """What `Places.ask` came to, and when."""

    said: str = ""
    at: float = 0.0

    async def ask(self, house: Places, longest: int = 100) -> None:
        self.said = await house.ask(*ASIDE[:2], longest)
        self.at = trio.current_time()


async def test_what_is_asked_aside_has_a_place_of_its_own(autojump_clock: MockClock) -> None:
    chat = FakeChat()
    house = places(chat)
    with house.take() as current:
        await current.read([YUI])
        assert await house.ask(*ASIDE) == "Hi, how are you?\n"
        assert await house.ask(*ASIDE) == "Hi, how are you?\n"
        await ask(current, YUI, HELLO)
    assert chat.asked == [(0, "You are Yui."), (1, "Good morning."), (1, "Good morning."), (0, "Hello!")]


async def test_an_answer_goes_before_it_and_it_begins_anew(autojump_clock: MockClock) -> None:
    chat, aside = FakeChat(), Aside()
    house = places(chat)
    with house.take() as current:
        await current.read([YUI])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(aside.ask, house)
            await trio.sleep(READS_S + 0.5)  # it has begun to speak
            begun = trio.current_time()
            await ask(current, YUI, HELLO)
            assert trio.current_time() - begun == READS_S + 1
            assert aside.said == ""
    assert aside.said == "Hi, how are you?\n"
    assert [slot for slot, _ in chat.asked] == [0, 1, 0, 1]


async def test_it_waits_for_an_answer_that_is_being_given(autojump_clock: MockClock) -> None:
    chat, aside = FakeChat(), Aside()
    house = places(chat)
    with house.take() as current:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, current, YUI, HELLO)
            await wait_all_tasks_blocked()
            nursery.start_soon(aside.ask, house)
    assert chat.heard_out == ["Hello!", "Good morning."]
    assert aside.at == 2 * (READS_S + 1)


async def test_no_conversation_gives_up_its_place_for_it(autojump_clock: MockClock) -> None:
    chat = FakeChat()
    house = places(chat)
    with ExitStack() as seats:
        for number in range(SLOTS):
            seat = seats.enter_context(house.take())
            await seat.read([ChatMessage(role="system", content=f"You are number {number}.")])
        with pytest.raises(NotReady):
            await house.ask(*ASIDE)
    assert len(chat.asked) == SLOTS
    assert await house.ask(*ASIDE)  # they have gone


async def test_what_is_too_long_is_not_heard_out(autojump_clock: MockClock) -> None:
    chat = FakeChat()
    assert await places(chat).ask(*ASIDE[:2], 3) == "Hi,"
    assert trio.current_time() == READS_S


async def test_one_that_is_cancelled_leaves_its_place(autojump_clock: MockClock) -> None:
    chat = FakeChat()
    house = places(chat)
    with trio.move_on_after(1):
        await house.ask(*ASIDE)
    with ExitStack() as seats:
        for number in range(SLOTS):
            await seats.enter_context(house.take()).read([ChatMessage(role="system", content=f"Number {number}.")])
    assert sorted(slot for slot, _ in chat.asked[1:]) == list(range(SLOTS))
