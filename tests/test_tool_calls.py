"""Tools at work in a conversation: what the model is told of them, and what the person's cutting in means for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.nurseries.calls import CANCELLED, ENOUGH, GOES_ON, MOST_AT_ONCE, MOST_ROUNDS, TOO_MANY
from neko.nurseries.tooling import LATE, MOST_SAID
from neko.realtime.session import (
    AudioDelta,
    Interrupt,
    ModelCommand,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    Say,
    SpeechStarted,
    SpeechStopped,
    Tell,
    TextDelta,
    ToolCalled,
    ToolResult,
    UserSaid,
)
from neko.testing.fake_model import FakeModelSession
from neko.testing.person import Person, open_person
from neko.tools import ToolError
from tests.eager_house import GONE, EagerHouse, ask, start, wish

SECOND = bytes(2 * 24_000)  # PCM16 at 24 kHz


class Slow:
    """A tool that takes so long, and knows how each use ended."""

    def __init__(self, takes_s: float) -> None:
        self.takes_s = takes_s
        self.ended: list[str] = []

    async def __call__(self, arguments: str) -> str:
        try:
            await trio.sleep(self.takes_s)
        except trio.Cancelled:
            self.ended.append("cancelled")
            raise
        self.ended.append("answered")
        return f"done with {arguments}"


def call(model: FakeModelSession, *names: str, reply: str = "r1", done: bool = True) -> None:
    """A reply that asks for these tools."""
    model.say(ReplyStarted(reply))
    model.say(*(ToolCalled(f"{reply}.{name}.{n}", name, "{}", reply) for n, name in enumerate(names)))
    if done:
        model.say(ReplyDone(reply, ReplyStatus.COMPLETED))


def results(model: FakeModelSession) -> list[tuple[str, str, bool]]:
    got: list[ModelCommand] = model.got
    return [(each.name, each.output, each.asks) for each in got if isinstance(each, ToolResult)]


def tells(model: FakeModelSession) -> list[str]:
    return [each.instructions for each in model.got if isinstance(each, Tell)]


def quick(answer: str) -> Callable[[str], Awaitable[str]]:
    async def use(_: str) -> str:
        return answer

    return use


async def spoken(eager: EagerHouse, person: Person, question: str = "How is the weather?") -> FakeModelSession:
    await start(person)
    eager.current.say(SpeechStarted(), SpeechStopped(), UserSaid(question))
    await wait_all_tasks_blocked()
    return eager.current


async def test_the_tools_of_a_reply_run_side_by_side_and_are_answered_together(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    eager.tools |= {"two": Slow(2), "three": Slow(3)}
    async with open_person(eager.mimi) as person:
        model = await spoken(eager, person)
        began = trio.current_time()
        call(model, "two", "three")
        await trio.sleep(2.5)
        assert results(model) == []
        await trio.sleep(1)
        assert results(model) == [("two", "done with {}", False), ("three", "done with {}", True)]
        model.say(ReplyStarted("r2"), TextDelta("r2", "Sunny."), ReplyDone("r2", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert trio.current_time() - began == 3.5
        assert "".join(frame["text"] for frame in person.of("gemini_response")) == "Sunny."


async def test_a_tool_that_is_quicker_than_the_end_of_its_reply_waits_for_it(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    eager.tools["now"] = quick("at once")
    async with open_person(eager.mimi) as person:
        model = await spoken(eager, person)
        call(model, "now", done=False)
        await wait_all_tasks_blocked()
        assert results(model) == []
        model.say(ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert results(model) == [("now", "at once", True)]


async def test_a_tool_has_a_deadline(eager: EagerHouse, autojump_clock: MockClock) -> None:
    slow = eager.tools["slow"] = Slow(300)
    async with open_person(eager.mimi) as person:
        model = await spoken(eager, person)
        call(model, "slow")
        await trio.sleep(61)
        assert results(model) == [("slow", LATE.format(60), True)]
        assert slow.ended == ["cancelled"]
    text = eager.ports.metrics.exposition("")[0].decode()
    assert 'neko_tool_calls_total{outcome="late",tool="slow"} 1.0' in text


async def test_what_a_tool_cannot_do_is_said_to_the_model(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async def picky(_: str) -> str:
        raise ToolError("city is missing")

    eager.tools["picky"] = picky
    async with open_person(eager.mimi) as person:
        model = await spoken(eager, person)
        call(model, "picky")
        await wait_all_tasks_blocked()
        assert results(model) == [("picky", "city is missing", True)]


async def test_an_answer_that_is_too_long_is_cut(eager: EagerHouse, autojump_clock: MockClock) -> None:
    eager.tools["book"] = quick("x" * (MOST_SAID + 1))
    async with open_person(eager.mimi) as person:
        model = await spoken(eager, person)
        call(model, "book")
        await wait_all_tasks_blocked()
        [(_, output, _)] = results(model)
        assert output == "x" * MOST_SAID + " [the answer has 16,001 characters; this is its beginning]"


async def test_cutting_in_by_voice_cancels_a_tool_and_the_model_is_told(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    slow = eager.tools["slow"] = Slow(30)
    async with open_person(eager.mimi) as person:
        model = await spoken(eager, person)
        call(model, "slow")
        await trio.sleep(1)
        model.say(SpeechStarted())
        await wait_all_tasks_blocked()
        assert slow.ended == ["cancelled"]
        assert results(model) == [("slow", CANCELLED, False)]
        assert [type(each) for each in model.got] == [ToolResult]  # there was nothing to interrupt
        # What they say now is answered, and nobody waits for the tool.
        model.say(SpeechStopped(), UserSaid("Never mind."), ReplyStarted("r2"), TextDelta("r2", "Fine."))
        model.say(ReplyDone("r2", ReplyStatus.COMPLETED))
        await trio.sleep(25)
        assert [type(each) for each in model.got] == [ToolResult]
        assert eager.models.live[0] is model


async def test_typing_cancels_a_tool_before_the_words_are_asked(eager: EagerHouse, autojump_clock: MockClock) -> None:
    eager.tools |= {"slow": Slow(30), "now": quick("at once")}
    async with open_person(eager.mimi) as person:
        model = await spoken(eager, person)
        call(model, "slow", "now")
        await trio.sleep(1)
        await ask(person, "Stop that.")
        told = [each for each in model.got if not isinstance(each, Interrupt)]
        assert [type(each) for each in told] == [ToolResult, ToolResult, Say]
        assert results(model) == [("slow", CANCELLED, False), ("now", "at once", False)]


async def test_a_tool_that_an_interrupted_reply_still_asks_for_is_not_used(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    slow = eager.tools["slow"] = Slow(0)
    async with open_person(eager.mimi) as person:
        model = await spoken(eager, person)
        model.say(ReplyStarted("r1"), TextDelta("r1", "Let me look. "), SpeechStarted())
        model.say(ToolCalled("c1", "slow", "{}", "r1"), ReplyDone("r1", ReplyStatus.CANCELLED))
        await trio.sleep(1)
        assert (slow.ended, results(model)) == ([], [("slow", CANCELLED, False)])


async def test_a_durable_tool_goes_on_and_its_answer_is_told_when_nobody_speaks(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    slow = eager.tools["slow"] = Slow(5)
    eager.durable.add("slow")
    async with open_person(eager.mimi) as person:
        model = await spoken(eager, person)
        call(model, "slow")
        await trio.sleep(1)
        model.say(SpeechStarted())
        await wait_all_tasks_blocked()
        assert results(model) == [("slow", GOES_ON, False)]
        await trio.sleep(5)
        assert slow.ended == ["answered"]
        assert tells(model) == []  # the person is still speaking
        model.say(SpeechStopped(), UserSaid("And?"), ReplyStarted("r2"), TextDelta("r2", "Soon."))
        model.say(ReplyDone("r2", ReplyStatus.COMPLETED))
        await trio.sleep(1)
        [told] = tells(model)
        assert "slow" in told
        assert "done with {}" in told


async def test_a_durable_tool_goes_on_over_a_swap_and_the_next_session_is_told(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    eager.tools["slow"] = Slow(10)
    eager.durable.add("slow")
    async with open_person(eager.mimi) as person:
        old = await spoken(eager, person)
        call(old, "slow")
        await trio.sleep(1)
        old.say(SpeechStarted(), SpeechStopped(), UserSaid("Well?"), ReplyStarted("r2"), TextDelta("r2", "Soon."))
        old.say(ReplyDone("r2", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        await wish(person, "turn")
        new = eager.current
        assert new is not old
        assert "its answer will come" in new.primed[-1].text
        await trio.sleep(10)
        assert ["done with {}" in told for told in tells(new)] == [True]
        assert tells(old) == []


async def test_a_durable_tool_goes_on_while_the_client_is_away(eager: EagerHouse, autojump_clock: MockClock) -> None:
    eager.tools["slow"] = Slow(5)
    eager.durable.add("slow")
    async with open_person(eager.mimi) as person:
        model = await spoken(eager, person)
        call(model, "slow")
        await trio.sleep(1)
        model.say(SpeechStarted(), SpeechStopped(), UserSaid(""))
        await wait_all_tasks_blocked()
        await person.vanish()
        await trio.sleep(10)
        assert tells(model) == []
    async with open_person(eager.mimi) as person:
        await start(person)
        assert eager.current is model
        assert ["done with {}" in told for told in tells(model)] == [True]


async def test_several_answers_over_a_swap_ask_for_one_reply(eager: EagerHouse, autojump_clock: MockClock) -> None:
    eager.tools |= {"two": Slow(2), "three": Slow(3)}
    async with open_person(eager.mimi) as person:
        old = await spoken(eager, person)
        call(old, "two", "three")
        await wait_all_tasks_blocked()
        await wish(person, "now")
        new = eager.current
        primed = len(new.primed)
        await trio.sleep(4)
        assert len(tells(new)) == 1
        assert [("two" in line.text, line.role) for line in new.primed[primed:]] == [(True, "system")]
        assert results(old) == []


async def test_a_session_that_dies_in_the_middle_of_its_calls_leaves_the_answers_to_the_next(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    eager.tools["two"] = Slow(2)
    async with open_person(eager.mimi) as person:
        old = await spoken(eager, person)
        call(old, "two", done=False)
        await wait_all_tasks_blocked()
        old.say(GONE)
        await trio.sleep(3)
        assert eager.current is not old
        assert ["done with {}" in told for told in tells(eager.current)] == [True]


async def test_a_model_that_asks_for_tools_without_end_is_stopped(eager: EagerHouse, autojump_clock: MockClock) -> None:
    used = eager.tools["now"] = Slow(0.1)
    async with open_person(eager.mimi) as person:
        model = await spoken(eager, person)
        for number in range(MOST_ROUNDS + 2):
            call(model, "now", reply=f"r{number}")
            await trio.sleep(1)
        assert used.ended == ["answered"] * MOST_ROUNDS
        assert results(model)[-2:] == [("now", ENOUGH, True), ("now", ENOUGH, False)]
        assert person.codes() == ["API_UNKNOWN_ERROR"]
        # The next question may use tools again.
        model.say(SpeechStarted(), SpeechStopped(), UserSaid("Try again."))
        call(model, "now", reply="again")
        await trio.sleep(1)
        assert results(model)[-1] == ("now", "done with {}", True)


async def test_so_many_tools_at_once_and_no_more(eager: EagerHouse, autojump_clock: MockClock) -> None:
    used = eager.tools["now"] = Slow(1)
    async with open_person(eager.mimi) as person:
        model = await spoken(eager, person)
        call(model, *["now"] * (MOST_AT_ONCE + 1))
        await trio.sleep(2)
        assert len(used.ended) == MOST_AT_ONCE
        assert [output for _, output, _ in results(model)].count(TOO_MANY) == 1


async def test_the_end_of_the_session_ends_its_tools(eager: EagerHouse, autojump_clock: MockClock) -> None:
    slow = eager.tools["slow"] = Slow(30)
    eager.durable.add("slow")
    async with open_person(eager.mimi) as person:
        model = await spoken(eager, person)
        call(model, "slow")
        await trio.sleep(1)
        await person.send("end_session")
        await trio.sleep(1)
        assert slow.ended == ["cancelled"]
        assert person.codes() == ["CHARACTER_LEFT"]


async def test_a_reply_that_uses_tools_is_one_turn(eager: EagerHouse, autojump_clock: MockClock) -> None:
    eager.tools["two"] = Slow(2)
    async with open_person(eager.mimi) as person:
        model = await spoken(eager, person)
        model.say(ReplyStarted("r1", "q1"), TextDelta("r1", "Let me look."), AudioDelta("r1", "i1", SECOND))
        model.say(ToolCalled("c1", "two", "{}", "r1"), ReplyDone("r1", ReplyStatus.COMPLETED))
        await trio.sleep(1)
        assert person.of("system") == []
        await trio.sleep(2)
        model.say(ReplyStarted("r2"), TextDelta("r2", "It is sunny."), AudioDelta("r2", "i2", SECOND))
        model.say(ReplyDone("r2", ReplyStatus.COMPLETED))
        await trio.sleep(1)
        said = person.of("gemini_response")
        assert "".join(frame["text"] for frame in said) == "Let me look. It is sunny."
        assert [frame["isNewMessage"] for frame in said] == [True, False, False]
        assert {frame["request_id"] for frame in said} == {"q1"}
        [end] = person.of("system")
        assert (end["turn_id"], end["interrupted"]) == (said[0]["turn_id"], False)
        assert len({frame["speech_id"] for frame in person.of("audio_chunk")}) == 1
        assert [said.text for said in eager.mimi.history][-1] == "Let me look. It is sunny."


async def test_cutting_in_on_the_rest_of_such_a_turn_cuts_that(eager: EagerHouse, autojump_clock: MockClock) -> None:
    eager.tools["two"] = Slow(2)
    async with open_person(eager.mimi) as person:
        model = await spoken(eager, person)
        model.say(ReplyStarted("r1"), TextDelta("r1", "Let me look."), AudioDelta("r1", "i1", SECOND))
        model.say(ToolCalled("c1", "two", "{}", "r1"), ReplyDone("r1", ReplyStatus.COMPLETED))
        await trio.sleep(3)
        model.say(ReplyStarted("r2"), TextDelta("r2", "It is sunny and warm."), AudioDelta("r2", "i2", SECOND))
        await trio.sleep(0.5)
        model.say(SpeechStarted())
        await wait_all_tasks_blocked()
        [cut] = [each for each in model.got if isinstance(each, Interrupt)]
        assert (cut.reply_id, cut.item_id, cut.running) == ("r2", "i2", True)
        assert cut.heard_ms == pytest.approx(500, abs=50)  # the resampler holds some of it back
        assert cut.heard_text.strip() == "It is"
        assert [end["interrupted"] for end in person.of("system")] == [True]


async def test_cutting_in_while_the_tools_work_ends_the_turn(eager: EagerHouse, autojump_clock: MockClock) -> None:
    eager.tools["slow"] = Slow(30)
    async with open_person(eager.mimi) as person:
        model = await spoken(eager, person)
        call(model, "slow")
        await trio.sleep(1)
        model.say(SpeechStarted())
        await wait_all_tasks_blocked()
        assert [end["interrupted"] for end in person.of("system")] == [True]
        model.say(SpeechStopped(), UserSaid("Well?"), ReplyStarted("r2"), TextDelta("r2", "Fine."))
        model.say(ReplyDone("r2", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert [end["interrupted"] for end in person.of("system")] == [True, False]
        assert len({frame["turn_id"] for frame in person.of("gemini_response", "system")}) == 2
