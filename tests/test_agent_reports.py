"""What agents are told of a conversation, in order, and when they are asked to look into it."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.nurseries.ports import Ports
from neko.protocol.agents.events import (
    AnalyzeRequest,
    Message,
    SessionEnded,
    SessionEvent,
    SessionNews,
    SessionStarted,
    SessionSwapped,
    TurnEnd,
    UserTranscript,
)
from neko.protocol.client import InputMode
from neko.realtime.session import ReplyDone, ReplyStarted, ReplyStatus, TextDelta
from neko.testing.person import open_person
from tests.eager_house import EagerHouse, ask, start, wish


@define
class Listener:
    """Agents that note what they are told."""

    heard: list[SessionNews] = field(factory=list)
    asked: list[AnalyzeRequest] = field(factory=list)

    def publish(self, event: SessionEvent) -> None:
        assert event.lanlan_name == "Mimi"
        self.heard.append(event.data)

    def analyze(self, request: AnalyzeRequest) -> None:
        self.asked.append(request)


@pytest.fixture
def agents() -> Listener:
    return Listener()


@pytest.fixture
async def mimi(tmp_path: Path, agents: Listener) -> EagerHouse:
    house = EagerHouse(tmp_path)
    ports: Ports = house.mimi._ports
    house.mimi._ports = evolve(ports, agents=agents)
    return house


async def test_a_conversation_as_agents_hear_of_it(
    mimi: EagerHouse, agents: Listener, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    await nursery.start(mimi.mimi.run)
    async with open_person(mimi.mimi) as person:
        await start(person)
        await mimi.turn(1)
        await wish(person, "turn")
        await ask(person, "And you?")
        mimi.current.say(ReplyStarted("r2"), TextDelta("r2", "Well"))
        await wait_all_tasks_blocked()
        await mimi.mimi.handle_new_message()
        await person.send("end_session")
        await trio.sleep(1)
    said = [type(each) for each in agents.heard]
    assert said == [
        SessionStarted, UserTranscript, TurnEnd, SessionSwapped, UserTranscript, TurnEnd, SessionEnded
    ]  # fmt: skip
    assert len({each.session_id for each in agents.heard}) == 1
    first, question, answer, _, typed, cut, last = agents.heard
    assert isinstance(first, SessionStarted)
    assert first.input_mode is InputMode.AUDIO
    assert [each.text for each in (question, typed) if isinstance(each, UserTranscript)] == ["question 1", "And you?"]
    assert [(each.text, each.interrupted) for each in (answer, cut) if isinstance(each, TurnEnd)] == [
        ("answer 1", False), ("", True)
    ]  # fmt: skip
    assert isinstance(last, SessionEnded)
    assert last.reason == "left"
    assert agents.asked == []


async def test_agents_are_asked_once_for_what_the_person_said(
    mimi: EagerHouse, agents: Listener, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    await nursery.start(mimi.mimi.run)
    async with open_person(mimi.mimi) as person:
        await start(person)
        mimi.mimi.desk.show_agents({"flags": {"agent_enabled": True}})
        await mimi.turn(1)
        [request] = agents.asked
        assert request.messages == (Message("user", "question 1"), Message("assistant", "answer 1"))
        assert (request.trigger, request.lanlan_name) == ("turn_end", "Mimi")
        [session] = {each.session_id for each in agents.heard}
        assert request.conversation_id == session
        await mimi.news("the tea is ready")
        mimi.current.say(ReplyStarted("r2"), TextDelta("r2", "Tea!"), ReplyDone("r2", ReplyStatus.COMPLETED))
        await trio.sleep(1)
        assert len(agents.asked) == 1  # their own result is no reason to ask
        await mimi.turn(3)
        assert [each.content for each in agents.asked[1].messages] == [
            "question 1",
            "answer 1",
            "Tea!",
            "question 3",
            "answer 3",
        ]
