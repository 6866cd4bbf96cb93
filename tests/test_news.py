"""What agents bring is told as soon as nobody speaks or waits, once, and by one session."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.realtime.session import (
    Interrupt,
    ModelEvent,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    SpeechStarted,
    SpeechStopped,
    Tell,
    TextDelta,
    UserSaid,
)
from neko.testing.person import open_person
from tests.eager_house import EagerHouse, start, swaps, wish

NOTHING = (UserSaid(""),)
EMPTY_REPLY = (ReplyStarted("r9"), ReplyDone("r9", ReplyStatus.COMPLETED))


@pytest.mark.parametrize("after", [NOTHING, EMPTY_REPLY])
async def test_after_a_cough_news_and_a_wish_wait_no_longer(
    eager: EagerHouse, autojump_clock: MockClock, after: tuple[ModelEvent, ...]
) -> None:
    """The microphone is silent, so that nothing else wakes the session."""
    async with open_person(eager.mimi) as person:
        await start(person)
        old = eager.current
        old.say(SpeechStarted())
        await wait_all_tasks_blocked()
        await eager.news("the tea is ready")
        await wish(person, "turn")
        assert (swaps(person), old.got) == ([], [])
        old.say(SpeechStopped(), *after)
        await trio.sleep(5)
        assert [reason for reason, *_ in swaps(person)] == ["requested"]
        assert [type(each) for each in eager.current.got] == [Tell]


async def test_news_is_told_when_a_reply_that_was_cut_is_done(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        model = eager.current
        model.say(ReplyStarted("r1"), TextDelta("r1", "A long story"))
        await wait_all_tasks_blocked()
        await eager.news("the tea is ready")
        await eager.mimi.handle_new_message()
        await wait_all_tasks_blocked()
        assert [type(each) for each in model.got] == [Interrupt]
        model.say(ReplyDone("r1", ReplyStatus.CANCELLED))
        await trio.sleep(5)
        assert [type(each) for each in model.got] == [Interrupt, Tell]


async def test_news_is_not_told_by_the_old_session_and_the_new(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        old = eager.current
        await eager.news("the tea is ready")
        old.say(ReplyStarted("r1"))  # no word of it yet
        await wait_all_tasks_blocked()
        await wish(person, "now")
        new = eager.current
        assert new is not old
        for session, reply in ((old, "r1"), (new, "r2")):
            session.say(ReplyStarted(reply), TextDelta(reply, "Your tea!"), ReplyDone(reply, ReplyStatus.COMPLETED))
        await trio.sleep(1)
        assert [frame["text"] for frame in person.of("gemini_response")] == ["Your tea!"]
        assert len(eager.mimi.pending_agent_callbacks) == 0


async def test_news_survives_a_bug(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        await eager.news("the tea is ready")
        eager.current.say(object())  # type: ignore[arg-type]
        await wait_all_tasks_blocked()
        assert person.types()[-1] == "session_ended_by_server"
        await start(person)
        await eager.mimi.trigger_agent_callbacks()
        await wait_all_tasks_blocked()
        assert [type(each) for each in eager.current.got] == [Tell]


@pytest.mark.parametrize("steps", range(0, 60))
async def test_a_first_word_and_a_swap_at_the_same_moment_tell_it_once(
    eager: EagerHouse, autojump_clock: MockClock, steps: int
) -> None:
    """So many steps of the event loop after the swap is asked for."""
    async with open_person(eager.mimi) as person:
        await start(person)
        await eager.news("the tea is ready")
        old = eager.current
        old.say(ReplyStarted("r1"))
        await wait_all_tasks_blocked()
        await person.send("swap_session", when="now", voice="calm")
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        old.say(TextDelta("r1", "Your tea!"), ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        new = eager.current
        if any(isinstance(each, Tell) for each in new.got):
            new.say(ReplyStarted("r2"), TextDelta("r2", "Your tea!"), ReplyDone("r2", ReplyStatus.COMPLETED))
        await trio.sleep(1)
        assert [frame["text"] for frame in person.of("gemini_response")] == ["Your tea!"]
        assert len(eager.mimi.pending_agent_callbacks) == 0
