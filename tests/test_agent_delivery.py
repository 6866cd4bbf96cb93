"""How results of agents reach the person: at once, with the next answer, or as something to know."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.lowlevel
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.conversation.callbacks import AgentCallbacks, Callback, Fate
from neko.conversation.history import Role
from neko.conversation.journal import Entry, NoJournal, ResultBrought, ResultTold
from neko.nurseries.aside import EVERY_S, KEPT
from neko.nurseries.news import NOTES
from neko.protocol.agents.reports import Delivery, Result, TaskStatus
from neko.realtime.errors import SessionLost
from neko.realtime.session import (
    AudioDelta,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    SpeechStarted,
    SpeechStopped,
    Tell,
    TextDelta,
    UserSaid,
)
from neko.testing.fake_model import VOICED, FakeModelSession
from neko.testing.person import open_person
from tests.eager_house import EagerHouse, ask, start, swaps, wish

TEA = "the tea is ready"
GONE = SessionLost("the provider closed with 1011")
SECOND = AudioDelta("r1", "i1", bytes(2 * 24_000))


async def brought(eager: EagerHouse, delivery: Delivery, text: str = TEA, **more: Any) -> None:
    assert eager.mimi.desk.bring(Result(lanlan_name="Mimi", text=text, delivery_mode=delivery, **more))
    await wait_all_tasks_blocked()


async def reply(session: FakeModelSession, name: str, *words: str) -> None:
    said = [TextDelta(name, each) for each in words]
    session.say(ReplyStarted(name), *said, ReplyDone(name, ReplyStatus.COMPLETED))
    await wait_all_tasks_blocked()


def noted(session: FakeModelSession) -> list[str]:
    """The results that it was told beside the conversation."""
    lines = [each.text for each in session.primed if each.role == "system" and "<result>" in each.text]
    return [line.split("<result>\n")[1].removesuffix("\n</result>") for line in lines]


async def test_what_is_urgent_is_told_at_once(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        await brought(eager, Delivery.PROACTIVE, task_id="7", status=TaskStatus.PARTIAL, source_name="cook")
        [tell] = eager.current.got
        assert isinstance(tell, Tell)
        assert "cook" in tell.instructions
        assert TEA in tell.instructions
        [notification] = person.of("agent_notification")
        del notification["seq"]
        assert notification == {
            "type": "agent_notification",
            "text": f"Done in part. {TEA}",
            "source": "cook",
            "status": "partial",
        }


async def test_nothing_is_told_while_the_person_still_listens(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        model = eager.current
        model.say(ReplyStarted("r1"), TextDelta("r1", "A story."), SECOND, SECOND)
        model.say(ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert person.types()[-1] == "system"
        began = trio.current_time()
        await brought(eager, Delivery.PROACTIVE)
        assert model.got == []
        await trio.sleep(1.9)
        assert model.got == []
        await trio.sleep(0.2)
        assert [type(each) for each in model.got] == [Tell]
        assert trio.current_time() - began == pytest.approx(2.1)


async def test_what_can_wait_comes_with_the_next_answer(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        model = eager.current
        await brought(eager, Delivery.PASSIVE)
        await trio.sleep(60)
        assert (model.got, noted(model)) == ([], [TEA])
        assert len(eager.mimi.pending_agent_callbacks) == 1
        await eager.turn(1)
        assert (model.got, noted(model)) == ([], [TEA])
        assert len(eager.mimi.pending_agent_callbacks) == 0
        await eager.turn(2)
        assert noted(model) == [TEA]


async def test_it_is_there_before_the_question_when_it_came_before_it(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person, "text")
        model = eager.current
        await brought(eager, Delivery.PASSIVE)
        assert noted(model) == [TEA]
        await ask(person, "What's new?")
        await reply(model, "r1", "Tea!")
        assert len(eager.mimi.pending_agent_callbacks) == 0


@pytest.mark.parametrize("how", ["swap", "loss"])
async def test_what_was_to_come_with_an_answer_comes_with_that_of_the_next_session(
    eager: EagerHouse, autojump_clock: MockClock, how: str
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        old = eager.current
        await brought(eager, Delivery.PASSIVE)
        if how == "swap":
            await wish(person, "now")
        else:
            old.say(GONE)
        await trio.sleep(1)
        new = eager.current
        assert new is not old
        assert (noted(old), noted(new)) == ([TEA], [TEA])
        await eager.turn(1)
        await wish(person, "now", voice="lively")
        assert noted(eager.current) == []
        assert len(eager.mimi.pending_agent_callbacks) == 0


async def test_what_is_only_to_be_known_is_known_to_later_sessions_too(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        old = eager.current
        await brought(eager, Delivery.SILENT)
        assert len(eager.mimi.pending_agent_callbacks) == 0
        await eager.turn(1)
        await wish(person, "turn")
        assert (noted(old), noted(eager.current)) == ([TEA], [TEA])
        assert [type(each) for each in eager.current.got] == []
        assert [each.role for each in eager.mimi.history] == [Role.SYSTEM, Role.USER, Role.ASSISTANT]
        assert person.of("agent_notification")[0]["text"] == TEA


async def test_many_of_them_fill_no_context(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        model = eager.current
        for number in range(3 * NOTES):
            await brought(eager, Delivery.SILENT if number % 2 else Delivery.PASSIVE, f"news {number}")
        assert len(noted(model)) == NOTES
        await eager.turn(1)
        await eager.mimi.trigger_agent_callbacks()
        await wait_all_tasks_blocked()
        assert len(noted(model)) == 2 * NOTES


@pytest.mark.parametrize("delivery", [Delivery.PASSIVE, Delivery.SILENT])
async def test_a_session_that_takes_no_notes_is_replaced_once(
    eager: EagerHouse, autojump_clock: MockClock, delivery: Delivery
) -> None:
    eager.models.voiced = evolve(VOICED, takes_text=False)
    async with open_person(eager.mimi) as person:
        await start(person)
        await eager.turn(1)
        for number in range(2 * NOTES):
            eager.mimi.pending_agent_callbacks.append(Callback(f"news {number}", delivery=delivery))
        await eager.mimi.trigger_agent_callbacks()
        await trio.sleep(5)
        assert [reason for reason, *_ in swaps(person)] == ["agents"]
        assert len(noted(eager.current)) == NOTES


async def test_a_reply_without_words_has_told_nothing(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        model = eager.current
        await brought(eager, Delivery.PROACTIVE)
        await reply(model, "empty 1")
        assert len(model.got) == 2
        await reply(model, "empty 2")
        assert len(model.got) == 2
        await trio.sleep(1.1)
        assert len(model.got) == 3
        await reply(model, "r1", "Your tea!")
        await trio.sleep(3_600)
        assert len(model.got) == 3
        assert eager.mimi.pending_agent_callbacks.fates[Fate.TOLD] == 1


async def test_news_come_in_no_sentence(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        model = eager.current
        model.say(SpeechStarted())
        await wait_all_tasks_blocked()
        for delivery in Delivery:
            await brought(eager, delivery, delivery)
        assert (model.got, noted(model)) == ([], [])
        model.say(SpeechStopped(), UserSaid("Hm?"), ReplyStarted("r1"), TextDelta("r1", "A story"))
        await wait_all_tasks_blocked()
        assert (model.got, noted(model)) == ([], [])
        model.say(ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert noted(model) == ["passive", "silent"]
        assert [type(each) for each in model.got] == [Tell]


class Book(NoJournal):
    """A journal that says in which breath each entry was made: what has no checkpoint between is one."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def enter(self, entry: Entry) -> None:
        self.entries.append(entry)


@pytest.mark.parametrize("ending", ["completed", "cut", "broke off", "session ends"])
async def test_it_is_durable_with_the_words_that_told_it(
    eager: EagerHouse, autojump_clock: MockClock, ending: str
) -> None:
    book = Book()
    callbacks = AgentCallbacks(book, trio.current_time)
    eager.mimi.desk = evolve(eager.mimi.desk, callbacks=callbacks)
    async with open_person(eager.mimi) as person:
        await start(person)
        await brought(eager, Delivery.PROACTIVE, task_id="7")
        model = eager.current
        model.say(ReplyStarted("r1"), TextDelta("r1", "Your tea!"), SECOND)
        await wait_all_tasks_blocked()
        assert len(callbacks) == 0
        assert [type(each) for each in book.entries] == [ResultBrought]
        match ending:
            case "completed":
                model.say(ReplyDone("r1", ReplyStatus.COMPLETED))
            case "cut":
                await eager.mimi.handle_new_message()
            case "broke off":
                model.say(GONE)
            case _:
                await person.send("end_session")
        await trio.sleep(1)
        assert [(type(each), each.id) for each in book.entries if isinstance(each, ResultBrought | ResultTold)] == [
            (ResultBrought, "7 completed"),
            (ResultTold, "7 completed"),
        ]


async def test_progress_is_shown_in_its_latest_state_and_seldom(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        for percent in range(1_000):
            for task in range(3):
                eager.mimi.desk.show_task({"id": task, "percent": percent})
        await trio.sleep(1)
        shown = [(frame["task"]["id"], frame["task"]["percent"]) for frame in person.of("agent_task_update")]
        assert shown == [(0, 999), (1, 999), (2, 999)]
        for task in range(2 * KEPT):
            eager.mimi.desk.show_task({"task_id": task})
        began = trio.current_time()
        await trio.sleep(KEPT * EVERY_S + 1)
        told = [frame["task"]["task_id"] for frame in person.of("agent_task_update")[3:]]
        assert told == list(range(KEPT, 2 * KEPT))
        assert trio.current_time() - began > KEPT * EVERY_S


async def test_how_agents_are_is_shown_and_their_flags_are_known(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        eager.mimi.desk.show_agents({"flags": {"agent_enabled": True}, "tasks": 0})
        eager.mimi.desk.show_agents({"flags": {"mcp_enabled": False}, "tasks": 1})
        await trio.sleep(1)
        assert [frame["snapshot"]["tasks"] for frame in person.of("agent_status_update")] == [1]
        assert eager.mimi.agent_flags == {"agent_enabled": True, "mcp_enabled": False}


async def test_speech_goes_before_what_agents_say(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        eager.mimi.desk.show_task({"id": 1})
        eager.current.say(ReplyStarted("r1"), TextDelta("r1", "Hello."), SECOND, ReplyDone("r1", ReplyStatus.COMPLETED))
        eager.mimi.desk.show_task({"id": 2})
        await trio.sleep(1)
        assert [frame["seq"] for frame in person.got] == list(range(1, len(person.got) + 1))
        assert person.types().index("audio_chunk") < len(person.types()) - 1
