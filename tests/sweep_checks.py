"""What must be true after a play of the cancel sweep, whatever went wrong in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import trio

from neko.realtime.session import ReplyDone, ReplyStarted, ReplyStatus, Say, Tell, TextDelta
from tests.sweep_stage import NEWS, Caller, Stage, say

SETTLED_S = 75.0  # longer than a retired session says its last words, and than a silent one is waited for
EMPTY_S = 12.0  # longer than a client's place waits, a kept session and every goodbye last, with the plays' settings
SHUT_S = 5.0  # a house that is cancelled has no longer than its goodbyes
QUESTION, ANSWER = "are you there?", "I am here."
LAST = {"session_ended_by_server", "session_failed"}
FIRST = {"session_preparing", "session_started"}
OF_A_SESSION = {
    "gemini_response",
    "audio_chunk",
    "system",
    "user_transcript",
    "emotion",
    "translation",
    "user_activity",
    "neko.session_swapped",
}


def tasks() -> Counter[str]:
    """The names of all tasks there are."""
    names = Counter[str]()
    waiting = [trio.lowlevel.current_root_task()]
    while waiting:
        task = waiting.pop()
        if task is not None:
            names[task.name] += 1
            waiting += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return names


async def ended(stage: Stage, before: Counter[str]) -> list[str]:
    """The character or the house was cancelled: nothing is left as soon as the goodbyes are said."""
    await trio.sleep(SHUT_S)
    problems = [*_told(stage)]
    stage.hang_up()
    await trio.sleep(1)
    return [*problems, *_left(stage), *(f"task left: {name}" for name in tasks() - before)]


async def goes_on(stage: Stage, before: Counter[str], *, cut: bool) -> list[str]:
    """One conversation or one connection was hit: the next is as ever. `cut`: the session or its client was ended."""
    await trio.sleep(SETTLED_S)
    problems = [*_told(stage), *_unended(stage)]
    if {*stage.models.live} != {*stage.kept}:
        problems.append(f"live: {_ids(stage.models.live)}, should be: {_ids(stage.kept)}")
    problems += await _empty(stage, before)
    problems += await _works(stage)
    problems += await _empty(stage, before)
    return [*problems, *_news(stage, cut=cut)]


async def _empty(stage: Stage, before: Counter[str]) -> list[str]:
    """Everybody goes, and time passes."""
    stage.hang_up()
    await trio.sleep(EMPTY_S)
    after = tasks()
    gone = [*(f"task left: {name}" for name in after - before), *(f"task missing: {name}" for name in before - after)]
    manager = stage.manager
    if (manager.websocket, manager.session, manager.is_active) != (None, None, False):
        gone.append("the character is still taken")
    return [*_left(stage), *gone]


async def _works(stage: Stage) -> list[str]:
    """A fresh client starts, says something, and is answered."""
    person = await stage.connect()
    await person.send("start_session", input_type="audio")
    await trio.sleep(2)
    if person.types()[:2] != ["session_preparing", "session_started"]:
        return [f"the next start was answered {person.types()}"]
    await person.send("stream_data", input_type="text", data=QUESTION)
    await trio.sleep(2)
    if [each.text for each in stage.model.got if isinstance(each, Say)] != [QUESTION]:
        return [f"the next model was asked {stage.model.got}"]
    say(stage.model, ReplyStarted("last"), TextDelta("last", ANSWER), ReplyDone("last", ReplyStatus.COMPLETED))
    await trio.sleep(2)
    answers = [frame["turn_id"] for frame in person.of("gemini_response") if frame["text"] == ANSWER]
    if answers and answers[0] in [frame["turn_id"] for frame in person.of("system")]:
        await person.send("end_session")
        await trio.sleep(1)
        return [] if person.codes() == ["CHARACTER_LEFT"] else [f"the end was answered {person.codes()}"]
    return [f"the next question was answered {person.types()}"]


def _left(stage: Stage) -> Iterator[str]:
    if stage.models.live or stage.models.dialling:
        yield f"model sessions left: {_ids(stage.models.live)}, {stage.models.dialling} being dialled"


def _told(stage: Stage) -> Iterator[str]:
    """What the clients got."""
    ends = _ends(stage)
    begins = Counter(frame["turn_id"] for caller in stage.callers for frame in _texts(caller) if frame["isNewMessage"])
    yield from (f"{turn} ended {times} times" for turn, times in ends.items() if times > 1)
    yield from (f"{turn} began {times} times" for turn, times in begins.items() if times > 1)
    for number, caller in enumerate(stage.callers):
        yield from (f"client {number}: {problem}" for problem in _frames(caller))
    yield from _history(stage)


def _ends(stage: Stage) -> Counter[str]:
    return Counter(frame["turn_id"] for caller in stage.callers for frame in caller.person.of("system"))


def _unended(stage: Stage) -> Iterator[str]:
    """Replies that a client which is still there waits for in vain."""
    ends = _ends(stage)
    for frame in (frame for caller in stage.callers if caller.connected for frame in _texts(caller)):
        if frame["isNewMessage"] and frame["turn_id"] not in ends:
            yield f"{frame['turn_id']} never ended"


def _news(stage: Stage, *, cut: bool) -> Iterator[str]:
    """Told once, or waiting. What a model has begun to tell counts as told, though nobody was there any more."""
    told = {frame["turn_id"] for caller in stage.callers for frame in _texts(caller) if NEWS in frame["text"]}
    waiting = len(stage.manager.pending_agent_callbacks)
    begun = any(isinstance(command, Tell) for model in stage.models.sessions for command in model.got)
    if len(told) + waiting != stage.brought and not (cut and begun and not told):
        yield f"news told {len(told)} times, {waiting} wait"


def _frames(caller: Caller) -> Iterator[str]:
    numbers = [frame["seq"] for frame in caller.person.got if frame["type"] != "pong"]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))) if numbers else False:
        yield f"numbers {numbers}"
    over, code = False, None
    for frame in caller.person.got:
        kind, before = frame["type"], code
        code = frame.get("code")
        if kind in FIRST:
            over = False
        elif kind in LAST or code == "CHARACTER_LEFT":
            # A swap to another mode that fails is told as a failed start; the session goes on.
            over = over or before != "SWAP_FAILED"
        elif over and kind in OF_A_SESSION:
            yield f"{kind} after the end: {caller.person.types()}"


def _history(stage: Stage) -> Iterator[str]:
    said = Counter((utterance.role.value, utterance.text) for utterance in stage.manager.history)
    yield from (f"in the history {times} times: {text}" for (_, text), times in said.items() if times > 1)
    for caller in stage.callers:
        for frame in caller.person.of("user_transcript"):
            if not said["user", frame["text"]]:
                yield f"not in the history: {frame['text']}"


def _texts(caller: Caller) -> list[dict[str, Any]]:
    return caller.person.of("gemini_response")


def _ids(models: list[Any]) -> list[str]:
    return [model.id for model in models]
