"""Background preparation: a session that waits, takes over in time, and is renewed for every reason."""

from __future__ import annotations

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.realtime.errors import Unreachable
from neko.realtime.session import (
    AudioDelta,
    Expiring,
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
from neko.testing.fake_model import VOICED
from neko.testing.person import open_person
from tests.eager_house import GONE, EagerHouse, start, swaps


async def test_one_session_waits_from_the_start_on(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        assert len(eager.pending) == 1
        await trio.sleep(600)
        assert len(eager.models.sessions) == 2


async def test_a_renewal_by_turns_takes_no_time(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        eager.models.dial_s = 2.0
        [prepared] = eager.pending
        for number in range(3):
            await eager.turn(number)
        assert eager.current is prepared
        assert swaps(person) == [("turns", 0, 0)]
        assert [line.text for line in prepared.primed][-2:] == ["question 2", "answer 2"]
        await trio.sleep(3)
        assert len(eager.pending) == 1
        assert [line.text for line in eager.pending[0].primed][-2:] == ["question 2", "answer 2"]


async def test_a_loss_promotes_the_prepared_session_at_once(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        [prepared] = eager.pending
        eager.models.refusal = Unreachable("connection refused")
        eager.current.say(SpeechStarted())
        await person.send("stream_data", input_type="audio", data=[7] * 240, sample_rate=24_000)
        await wait_all_tasks_blocked()
        eager.current.say(GONE)
        await wait_all_tasks_blocked()
        assert eager.current is prepared
        assert len(prepared.heard) == 480
        assert swaps(person) == [("lost", 0, 0)]


async def test_a_prepared_session_that_dies_is_replaced(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        eager.pending[0].say(GONE)
        await trio.sleep(2)
        assert len(eager.pending) == 1
        assert person.codes() == []
        assert swaps(person) == []


async def test_a_provider_that_is_away_is_asked_again_less_and_less_often(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        eager.models.refusal = Unreachable("connection refused")
        eager.pending[0].say(GONE)
        await trio.sleep(600)
        assert person.codes() == []
        eager.models.refusal = None
        await trio.sleep(61)
        assert len(eager.pending) == 1


async def test_the_next_start_needs_no_dialling(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        [prepared] = eager.pending
        await eager.turn(1)
        await person.send("end_session")
        await wait_all_tasks_blocked()
        assert eager.models.live == [prepared]
        assert person.codes() == ["CHARACTER_LEFT"]
        eager.models.dial_s = 5.0
        await trio.sleep(19)
        await start(person)
        assert person.types()[-1] == "session_started"
        assert eager.current is prepared
        assert [line.text for line in prepared.primed] == ["question 1", "answer 1"]
        await eager.turn(2)
        assert person.of("gemini_response")[-1]["text"] == "answer 2"


async def test_a_kept_session_is_closed_after_its_time(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        await person.send("pause_session")
        await trio.sleep(19)
        assert len(eager.models.live) == 1
        await trio.sleep(2)
        assert eager.models.live == []


async def test_a_kept_session_does_not_know_what_a_fresh_context_forgets(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        await eager.turn(1)
        await person.send("end_session")
        await person.send("start_session", input_type="audio", new_session=True)
        await wait_all_tasks_blocked()
        assert [line.text for line in eager.current.primed] == []


@pytest.mark.parametrize("leave", [True, False])
async def test_a_client_that_goes_leaves_nothing_behind(
    eager: EagerHouse, autojump_clock: MockClock, leave: bool
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        await (person.leave() if leave else person.vanish())
        await trio.sleep(0 if leave else 31)
        await wait_all_tasks_blocked()
        assert eager.models.live == []


async def test_an_end_by_the_server_promotes_the_prepared_session(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        [prepared] = eager.pending
        await eager.mimi.end_session(by_server=True)
        await wait_all_tasks_blocked()
        assert eager.current is prepared
        assert "session_ended_by_server" not in person.types()


async def test_an_end_by_the_server_without_one_ends_the_session(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        eager.models.dial_s = 1.0
        await person.send("start_session", input_type="audio")
        await trio.sleep(1.5)
        await eager.mimi.end_session(by_server=True)
        await wait_all_tasks_blocked()
        assert person.types()[-1] == "session_ended_by_server"
        assert eager.models.live == []


async def test_a_changed_configuration_takes_over_at_the_end_of_the_turn(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        eager.current.say(SpeechStarted())
        await wait_all_tasks_blocked()
        eager.config.change("Mimi", {"prompt": "You are a pirate."})
        eager.mimi.config_changed()
        await trio.sleep(1)
        assert swaps(person) == []
        await eager.turn(1)
        assert swaps(person) == [("config", 0, 0)]
        assert eager.current.snapshot.character.prompt == "You are a pirate."
        assert [each.snapshot.character.prompt for each in eager.pending] == ["You are a pirate."]


async def test_a_configuration_that_does_not_come_up_is_told_and_tried_again(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        old = eager.current
        eager.models.refusal = Unreachable("connection refused")
        eager.config.change("Mimi", {"prompt": "You are a pirate."})
        eager.mimi.config_changed()
        await trio.sleep(0.5)
        assert person.codes() == ["SWAP_FAILED"]
        assert eager.current is old
        eager.models.refusal = None
        await trio.sleep(3)
        assert swaps(person) == [("config", 0, 0)]


async def test_a_limit_forces_the_swap_in_the_middle_of_an_utterance(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    eager.models.voiced = evolve(VOICED, max_session_s=60.0)
    async with open_person(eager.mimi) as person:
        await start(person)
        old = eager.current
        await trio.sleep(40)
        old.say(SpeechStarted())
        for number in range(1, 181):
            await person.send("stream_data", input_type="audio", data=[number] * 2400, sample_rate=24_000)
            await trio.sleep(0.1)
        [frame] = person.of("neko.session_swapped")
        assert (frame["reason"], frame["lost_ms"]) == ("expires", 0)
        heard = bytes(eager.current.heard)
        assert [heard[at] for at in range(0, len(heard), 4800)] == list(range(1, 181))


async def test_an_announced_end_is_renewed_before_it_comes(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        await trio.sleep(500)
        old = eager.current
        old.say(Expiring(9.0))
        await wait_all_tasks_blocked()
        assert eager.current is not old
        assert swaps(person) == [("expires", 0, 0)]


async def test_a_pause_is_used_when_the_session_is_worn(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        await eager.turn(1)
        await eager.turn(2)
        await trio.sleep(29)
        assert swaps(person) == []
        await trio.sleep(600)
        assert swaps(person) == [("idle", 0, 0)]


async def test_a_growing_context_is_renewed_once(eager: EagerHouse, autojump_clock: MockClock) -> None:
    eager.models.voiced = evolve(VOICED, context_tokens=1_000, tokens_per_s=20.0)
    async with open_person(eager.mimi) as person:
        await start(person)
        spoken = [AudioDelta("r1", "i1", bytes(48_000))] * 40
        eager.current.say(ReplyStarted("r1"), TextDelta("r1", "So. "), *spoken)
        eager.current.say(ReplyDone("r1", ReplyStatus.COMPLETED))
        await trio.sleep(100)
        assert swaps(person) == [("context", 0, 0)]


async def test_a_provider_that_does_not_answer_an_utterance_is_dead(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        old = eager.current
        old.say(SpeechStarted())
        await person.send("stream_data", input_type="audio", data=[7] * 240, sample_rate=24_000)
        old.say(SpeechStopped())
        await trio.sleep(9.9)
        assert eager.current is old
        await trio.sleep(0.2)
        assert eager.current is not old
        assert bytes(eager.current.heard) == bytes([7, 0] * 240)
        assert swaps(person)[0][0] == "lost"


async def test_a_provider_that_does_not_answer_a_ping_is_dead(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        old = eager.current
        old.dead = True
        await trio.sleep(16)
        assert eager.current is not old
        assert swaps(person) == [("lost", 0, 0)]


async def test_an_agents_result_is_told_once_although_the_swap_is_aborted(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    """Failure J: the session that was to tell it dies before its first word, and so does the next one."""
    async with open_person(eager.mimi) as person:
        await start(person)
        eager.mimi.pending_agent_callbacks.append("the tea is ready")
        await eager.mimi.trigger_agent_callbacks()
        await wait_all_tasks_blocked()
        first = eager.current
        [told] = first.got
        assert isinstance(told, Tell)
        assert "the tea is ready" in told.instructions
        first.say(ReplyStarted("r1"), GONE)
        await wait_all_tasks_blocked()
        second = eager.current
        assert second.got == [told]
        second.say(ReplyStarted("r2"), ReplyDone("r2", ReplyStatus.FAILED))
        await wait_all_tasks_blocked()
        [again] = second.got[1:]
        assert isinstance(again, Tell)
        second.say(ReplyStarted("r3"), TextDelta("r3", "Your tea!"), ReplyDone("r3", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        second.say(GONE)
        await wait_all_tasks_blocked()
        assert eager.current.got == []
        assert len(eager.mimi.pending_agent_callbacks) == 0
        assert [frame["text"] for frame in person.of("gemini_response")] == ["Your tea!"]


async def test_an_agents_result_survives_the_end_of_the_session(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        eager.mimi.pending_agent_callbacks.append("the tea is ready")
        await eager.mimi.trigger_agent_callbacks()
        await wait_all_tasks_blocked()
        await person.send("end_session")
        await start(person)
        await eager.mimi.trigger_agent_callbacks()
        await wait_all_tasks_blocked()
        assert [type(each) for each in eager.current.got] == [Tell]


async def test_an_agents_result_waits_for_the_end_of_the_turn(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        eager.current.say(SpeechStarted())
        await wait_all_tasks_blocked()
        eager.mimi.pending_agent_callbacks.append("the tea is ready")
        await eager.mimi.trigger_agent_callbacks()
        await wait_all_tasks_blocked()
        assert eager.current.got == []
        await eager.turn(1)
        assert [type(each) for each in eager.current.got] == [Tell]


async def test_a_result_that_a_session_cannot_be_told_comes_with_the_next_one(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    eager.models.voiced = evolve(VOICED, takes_text=False)
    async with open_person(eager.mimi) as person:
        await start(person)
        await eager.turn(1)
        old = eager.current
        eager.mimi.pending_agent_callbacks.append("the tea is ready")
        await eager.mimi.trigger_agent_callbacks()
        await wait_all_tasks_blocked()
        assert old.got == []
        assert swaps(person) == [("agents", 0, 0)]
        assert [type(each) for each in eager.current.got] == [Tell]


async def test_a_tool_that_was_called_before_a_swap_is_answered_after_it(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async def weather(arguments: str) -> str:
        await trio.sleep(2)
        return f"sunny in {arguments}"

    eager.tools["weather"] = weather
    async with open_person(eager.mimi) as person:
        await start(person)
        old = eager.current
        old.say(UserSaid("the weather?"), ReplyStarted("r1"), ToolCalled("c1", "weather", "Kyoto"))
        old.say(ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        await person.send("swap_session", when="turn", prompt="You are a pirate.")
        await trio.sleep(1)
        assert eager.current is old  # somebody waits for the answer
        await person.send("swap_session", when="now", prompt="You are a pirate.")
        await wait_all_tasks_blocked()
        new = eager.current
        assert new is not old
        assert "Kyoto" in new.primed[-1].text
        await trio.sleep(2)
        assert old.got == []
        [told] = new.got
        assert isinstance(told, Tell)
        assert "sunny in Kyoto" in told.instructions


async def test_a_tool_answers_the_session_that_called_it(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async def broken(_: str) -> str:
        raise RuntimeError("out of tea")

    eager.tools["tea"] = broken
    async with open_person(eager.mimi) as person:
        await start(person)
        eager.current.say(ReplyStarted("r1"), ToolCalled("c1", "tea", "{}"), ToolCalled("c2", "nothing", "{}"))
        await wait_all_tasks_blocked()
        got = [each for each in eager.current.got if isinstance(each, ToolResult)]
        # Both are at work at the same time: whichever is done first is answered first.
        assert sorted((each.call_id, each.output) for each in got) == [
            ("c1", "The tool failed: out of tea"),
            ("c2", "There is no such tool."),
        ]


async def test_typed_words_are_asked_again_in_their_order(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        for text in ("one", "two"):
            await person.send("stream_data", input_type="text", data=text)
        await wait_all_tasks_blocked()
        eager.current.say(GONE)
        await wait_all_tasks_blocked()
        assert [line.text for line in eager.current.primed] == ["one"]
        assert eager.current.got == [Say("two")]


async def test_what_a_retired_session_still_says_is_known_to_the_next(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        old = eager.current
        old.say(UserSaid("a story!"), ReplyStarted("r1"), TextDelta("r1", "Once upon "))
        await wait_all_tasks_blocked()
        await person.send("swap_session", when="now", voice="calm")
        await wait_all_tasks_blocked()
        new = eager.current
        assert new is not old
        old.say(TextDelta("r1", "a time."), ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert [line.text for line in new.primed] == ["a story!", "Once upon a time."]
        assert old not in eager.models.live


async def test_a_retired_session_that_never_ends_its_reply_is_closed(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        old = eager.current
        old.say(UserSaid("a story!"), ReplyStarted("r1"), TextDelta("r1", "Once upon "))
        await wait_all_tasks_blocked()
        await person.send("swap_session", when="now", voice="calm")
        await trio.sleep(61)
        assert old not in eager.models.live
        assert [frame["interrupted"] for frame in person.of("system")] == [True]
