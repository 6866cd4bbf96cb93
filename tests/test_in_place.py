"""What is done in the task in which it comes is done once, and nobody waits for it in vain."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.nurseries import outbox, turn
from neko.nurseries.waiting import Waiting
from neko.realtime.session import ReplyStarted, SpeechStarted, Tell, TextDelta, UserSaid
from neko.testing.person import Person, open_person
from tests.conftest import FakeHouse
from tests.eager_house import EagerHouse, speak, start, wish
from tests.slow_line import slow_down

STORY = (UserSaid("a story!"), ReplyStarted("r1"), TextDelta("r1", "Once upon a time "))
SILENCE_S = 10.0  # by the usual configuration


async def cut_in(eager: EagerHouse, person: Person) -> None:
    """On a reply whose end nobody will ever tell."""
    await start(person)
    eager.current.say(*STORY)
    await wait_all_tasks_blocked()
    await eager.mimi.handle_new_message()
    await wait_all_tasks_blocked()


async def listen_on(person: Person, seconds: float, *, microphone: bool) -> None:
    end = trio.current_time() + seconds
    while trio.current_time() < end:
        if microphone:
            await speak(person, 40)
        await trio.sleep(0.04)


@pytest.mark.parametrize("microphone", [True, False])
async def test_a_wish_waits_no_longer_than_for_a_reply_that_nobody_ends(
    eager: EagerHouse, autojump_clock: MockClock, microphone: bool
) -> None:
    async with open_person(eager.mimi) as person:
        await cut_in(eager, person)
        await wish(person, "turn")
        await listen_on(person, SILENCE_S - 1, microphone=microphone)
        assert person.of("neko.session_swapped") == []
        await listen_on(person, 2, microphone=microphone)
        assert len(person.of("neko.session_swapped")) == 1


@pytest.mark.parametrize("microphone", [True, False])
async def test_news_wait_no_longer_than_for_a_reply_that_nobody_ends(
    eager: EagerHouse, autojump_clock: MockClock, microphone: bool
) -> None:
    async with open_person(eager.mimi) as person:
        await cut_in(eager, person)
        await eager.news("the pizza is here")
        await listen_on(person, SILENCE_S + 2, microphone=microphone)
        assert [type(each) for each in eager.current.got].count(Tell) == 1


async def test_news_wait_no_longer_than_for_what_a_session_makes_of_the_sound_that_it_took_over(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    """Nobody says whether that was speech, and the microphone is off."""
    async with open_person(eager.mimi) as person:
        await start(person)
        eager.current.say(SpeechStarted())
        await speak(person, 200)
        await wish(person, "now")
        assert len(person.of("neko.session_swapped")) == 1
        assert eager.current.heard
        await eager.news("the pizza is here")
        assert eager.current.got == []
        await trio.sleep(SILENCE_S + 1)
        assert [type(each) for each in eager.current.got] == [Tell]


async def test_a_piece_that_has_to_wait_for_a_slow_client_is_noted_once(
    house: FakeHouse, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "FEED", 1)
    monkeypatch.setattr(outbox, "BACKLOG", 1)
    words = [f"w{number} " for number in range(12)]
    async with house.client() as person:
        await start(person)
        slow_down(monkeypatch, 1)
        house.model.say(ReplyStarted("r1"), *(TextDelta("r1", word) for word in words))
        await trio.sleep(30)
        session = house.managers["Mimi"]._hosting.session
        assert session is not None
        assert session.turns is not None
        assert session.turns.last is not None
        assert session.turns.last.arrived == "".join(words)
        assert "".join(frame["text"] for frame in person.of("gemini_response")) == "".join(words)


async def test_a_bug_is_raised_where_its_owner_waits(autojump_clock: MockClock) -> None:
    """Also when somebody else, who waits for room, runs before the owner does."""
    waiting, raised = Waiting[int](), list[str]()

    def buggy(_: int) -> bool:
        raise ValueError("a bug")

    async def wait_for_room() -> None:
        await waiting.change()

    async def own() -> None:
        with pytest.raises(ValueError, match="a bug"):
            await waiting.change(buggy)
        raised.append("owner")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(own)
        await wait_all_tasks_blocked()
        for _ in range(3):
            nursery.start_soon(wait_for_room)
        await wait_all_tasks_blocked()
        waiting.put(1)
    assert raised == ["owner"]
    assert not waiting.items


async def test_a_bug_is_raised_though_its_owner_is_cancelled_meanwhile() -> None:
    waiting = Waiting[int]()

    def buggy(_: int) -> bool:
        raise ValueError("a bug")

    async def own() -> None:
        with scope, pytest.raises(ValueError, match="a bug"):
            await waiting.change(buggy)

    scope = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(own)
        await wait_all_tasks_blocked()
        waiting.put(1)
        scope.cancel()
    assert not scope.cancelled_caught


async def test_who_has_left_is_shown_nothing(autojump_clock: MockClock) -> None:
    waiting, shown = Waiting[int](), list[int]()

    def take(number: int) -> bool:
        shown.append(number)
        return True

    with trio.move_on_after(1):
        await waiting.change(take)
    waiting.put(1)
    assert (list(waiting.items), shown) == ([1], [])
