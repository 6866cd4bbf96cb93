"""The plays of the cancel sweep: short conversations, each about one moment in a session's life."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from neko.conversation.callbacks import Callback, result_id
from neko.realtime.errors import SessionLost
from neko.realtime.session import (
    AudioDelta,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    ToolCalled,
    UserSaid,
)
from neko.testing.fake_model import FakeModelSession
from neko.testing.person import Person
from tests.sweep import Play
from tests.sweep_stage import Stage, say

GONE = SessionLost("the provider closed with 1011")
TENTH = bytes(2 * 2_400)  # 100 ms of PCM16 at 24 kHz
SHORT = "[session]\nresume_s = 5\nkeep_warm_s = 5\nsilence_s = 30\n[characters.Mimi]\n"
DUE = f'{SHORT}[characters.Mimi.session]\nprepare = "due"\n'
EAGER = f'{SHORT}[characters.Mimi.session]\nprepare = "eager"\n'
A_WHILE = 0.5  # longer than a handshake and a goodbye here


async def started(stage: Stage, kind: str = "audio") -> Person:
    """A client in a running session; nothing of this counts."""
    person = await stage.connect()
    await person.send("start_session", input_type=kind)
    await trio.sleep(A_WHILE)
    stage.counting = True
    return person


async def talk(person: Person, count: int) -> None:
    for _ in range(count):
        await person.send("stream_data", input_type="audio", data=[1] * 480, sample_rate=24_000)
    await wait_all_tasks_blocked()


async def ask(model: FakeModelSession, number: int) -> None:
    """The person has said something, and the reply begins."""
    say(model, SpeechStarted(), SpeechStopped(10), UserSaid(f"question {number}"), ReplyStarted(f"r{number}"))
    say(model, TextDelta(f"r{number}", f"First part {number}. "), AudioDelta(f"r{number}", "i", TENTH))
    await wait_all_tasks_blocked()


async def answer(model: FakeModelSession, number: int) -> None:
    """The reply's other half."""
    say(model, TextDelta(f"r{number}", f"Second part {number}."), AudioDelta(f"r{number}", "i", TENTH))
    say(model, ReplyDone(f"r{number}", ReplyStatus.COMPLETED))
    await wait_all_tasks_blocked()


async def start_and_leave(stage: Stage) -> None:
    stage.counting = True
    person = await stage.connect()
    await person.send("start_session", input_type="audio")
    await trio.sleep(A_WHILE)
    await person.leave()
    await trio.sleep(A_WHILE)


async def spoken_turn(stage: Stage) -> None:
    """The person interrupts the first reply, and hears the second to its end."""
    person, model = await started(stage), stage.model
    await talk(person, 3)
    await ask(model, 1)
    await talk(person, 1)
    await ask(model, 2)
    await answer(model, 2)
    await trio.sleep(A_WHILE)


async def typed_turn(stage: Stage) -> None:
    person = await started(stage, "text")
    await person.send("stream_data", input_type="text", data="How are you?", request_id="q")
    await wait_all_tasks_blocked()
    say(stage.model, ReplyStarted("r1", "q"), TextDelta("r1", "Well, "))
    await wait_all_tasks_blocked()
    await person.send("stream_data", input_type="text", data="And now?")
    await wait_all_tasks_blocked()
    say(stage.model, ReplyStarted("r2"), TextDelta("r2", "Fine."), ReplyDone("r2", ReplyStatus.COMPLETED))
    await trio.sleep(A_WHILE)


async def translated(stage: Stage) -> None:
    """One reply to its end; the next is interrupted while it is being translated."""
    person, model = await started(stage), stage.model
    await person.send("language_update", language="de")
    await ask(model, 1)
    await answer(model, 1)
    await trio.sleep(A_WHILE)
    await ask(model, 2)
    await answer(model, 2)
    await trio.sleep(A_WHILE / 10)
    say(model, SpeechStarted(), SpeechStopped(10))
    await trio.sleep(A_WHILE)


async def swap_at_turn(stage: Stage) -> None:
    person, model = await started(stage), stage.model
    await ask(model, 1)
    await person.send("swap_session", when="turn", prompt="You are a pirate.")
    await trio.sleep(A_WHILE)
    await answer(model, 1)
    await trio.sleep(A_WHILE)
    await ask(stage.model, 2)
    await answer(stage.model, 2)


async def swap_now(stage: Stage) -> None:
    """In the middle of what the person says, and of what the character says."""
    person, model = await started(stage), stage.model
    await ask(model, 1)
    await talk(person, 2)
    await person.send("swap_session", when="now", prompt="You are a pirate.")
    await talk(person, 2)
    await trio.sleep(A_WHILE)
    await answer(model, 1)
    await ask(stage.model, 2)
    await answer(stage.model, 2)


async def swap_that_fails(stage: Stage) -> None:
    person, model = await started(stage), stage.model
    await ask(model, 1)
    await person.send("swap_session", when="turn", prompt="You are a pirate.")
    await trio.sleep(A_WHILE)
    for pending in stage.models.live:
        if pending is not model:
            say(pending, GONE)
    await answer(model, 1)
    await trio.sleep(A_WHILE)


async def another_mode(stage: Stage) -> None:
    person, model = await started(stage), stage.model
    await ask(model, 1)
    await person.send("start_session", input_type="text")
    await trio.sleep(A_WHILE)
    await answer(model, 1)
    await trio.sleep(A_WHILE)


async def loss(stage: Stage) -> None:
    """In mid-reply; another session goes on."""
    person, model = await started(stage), stage.model
    await talk(person, 2)
    await ask(model, 1)
    say(model, GONE)
    await talk(person, 2)
    await trio.sleep(A_WHILE)
    say(stage.model, ReplyStarted("r2"), TextDelta("r2", "Where was I?"), ReplyDone("r2", ReplyStatus.COMPLETED))
    await trio.sleep(A_WHILE)


async def end_and_start(stage: Stage) -> None:
    """The prepared session waits for the next start."""
    person = await started(stage)
    await person.send("end_session")
    await trio.sleep(A_WHILE)
    await person.send("start_session", input_type="audio")
    await trio.sleep(A_WHILE)
    await ask(stage.model, 1)
    await answer(stage.model, 1)


async def fresh_context(stage: Stage) -> None:
    person, model = await started(stage), stage.model
    await ask(model, 1)
    await person.send("start_session", input_type="audio", new_session=True)
    await trio.sleep(A_WHILE)


async def end_by_server(stage: Stage) -> None:
    _, model = await started(stage), stage.model
    await ask(model, 1)
    await stage.manager.end_session(by_server=True)
    await trio.sleep(A_WHILE)
    await stage.manager.end_session(by_server=True)
    await trio.sleep(A_WHILE)


async def vanish_and_resume(stage: Stage) -> None:
    person, model = await started(stage), stage.model
    await ask(model, 1)
    seen, token = person.got[-1]["seq"], person.of("session_started")[-1]["resume_token"]
    await person.vanish()
    await answer(model, 1)
    await trio.sleep(1)
    person = await stage.connect()
    await person.send("resume", token=token, last_seq=seen)
    await wait_all_tasks_blocked()
    await ask(stage.model, 2)
    await answer(stage.model, 2)


async def taken_over(stage: Stage) -> None:
    _, model = await started(stage), stage.model
    await ask(model, 1)
    second = await stage.connect()
    await second.send("start_session", input_type="audio")
    await answer(model, 1)
    await trio.sleep(A_WHILE)


async def news_told(stage: Stage) -> None:
    """One result after a reply that runs, one in a pause."""
    _, model = await started(stage), stage.model
    await ask(model, 1)
    await bring(stage, "It rains.")
    await answer(model, 1)
    await trio.sleep(A_WHILE)


async def bring(stage: Stage, text: str) -> None:
    stage.brought += 1
    stage.manager.pending_agent_callbacks.append(Callback(text, result_id(text, "completed")))
    await stage.manager.trigger_agent_callbacks()
    await wait_all_tasks_blocked()


async def tool_over_a_swap(stage: Stage) -> None:
    person, model = await started(stage), stage.model
    say(model, SpeechStarted(), SpeechStopped(10), UserSaid("What colour is the sky?"), ReplyStarted("r1"))
    say(model, ToolCalled("c1", "sky", "{}"), ReplyDone("r1", ReplyStatus.COMPLETED))
    await person.send("swap_session", when="now", prompt="You are a pirate.")
    await trio.sleep(A_WHILE)
    say(stage.model, ReplyStarted("r2"), TextDelta("r2", "Blue."), ReplyDone("r2", ReplyStatus.COMPLETED))
    await trio.sleep(A_WHILE)


async def tool_cut_short(stage: Stage) -> None:
    person, model = await started(stage), stage.model
    say(model, SpeechStarted(), SpeechStopped(10), UserSaid("What colour is the sky?"), ReplyStarted("r1"))
    say(model, ToolCalled("c1", "sky", "{}", "r1"), ReplyDone("r1", ReplyStatus.COMPLETED))
    await wait_all_tasks_blocked()
    await person.send("stream_data", input_type="text", data="Never mind.")
    await trio.sleep(A_WHILE)
    say(stage.model, ReplyStarted("r2"), TextDelta("r2", "Well."), ReplyDone("r2", ReplyStatus.COMPLETED))
    await trio.sleep(A_WHILE)


PLAYS = [
    Play("start, due", start_and_leave, DUE),
    Play("start, eager", start_and_leave, EAGER),
    Play("spoken turn", spoken_turn, DUE),
    Play("typed turn", typed_turn, DUE),
    Play("translated", translated, DUE),
    Play("swap at turn", swap_at_turn, DUE),
    Play("swap now", swap_now, EAGER),
    Play("swap that fails", swap_that_fails, EAGER),
    Play("another mode", another_mode, DUE),
    Play("loss, due", loss, DUE),
    Play("loss, eager", loss, EAGER),
    Play("end and start", end_and_start, EAGER),
    Play("fresh context", fresh_context, EAGER),
    Play("end by server", end_by_server, EAGER),
    Play("vanish and resume", vanish_and_resume, DUE),
    Play("taken over", taken_over, EAGER),
    Play("news", news_told, DUE),
    Play("tool over a swap", tool_over_a_swap, EAGER),
    Play("tool cut short", tool_cut_short, EAGER),
]
