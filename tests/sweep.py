"""The cancel sweep: a play is run once per step of ours, and at that step something goes wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import outcome
import trio
import trio._core._run as scheduler
from attrs import define, frozen
from structlog.testing import capture_logs
from trio.lowlevel import Task
from trio.testing import MockClock
from trio_websocket import ConnectionClosed, HandshakeError

from neko.nurseries.manager import LLMSessionManager
from neko.nurseries.ports import Voice
from neko.realtime.errors import KeyRejected, SessionLost
from tests import sweep_checks as checks
from tests.sweep_stage import Over, Stage, Wired, meet, open_stage

GONE = SessionLost("the provider closed with 1011")


# --- which steps are ours -----------------------------------------------------------------------------------------

_OURS = {meet.__code__, LLMSessionManager.run.__code__}


def ours(task: Task) -> bool:
    """A connection's or a character's, and not the test's or the fake client's."""
    looked: Task | None = task
    while looked is not None:
        if getattr(looked.coro, "cr_code", None) in _OURS:
            return True
        looked = looked.parent_nursery.parent_task if looked.parent_nursery else None
    return False


def frames(task: Task) -> Iterator[Any]:
    """Where a task stands, outermost first."""
    coroutine: Any = task.coro
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)
        if frame is None:
            return
        yield frame
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)


def place(task: Task) -> str:
    """The task's name, and the line of neko at which it stands."""
    lines = [f"{module(frame)}:{frame.f_lineno}" for frame in frames(task) if module(frame).startswith("neko.")]
    return f"{task.name} at {lines[-1] if lines else '(nothing yet)'}"


def module(frame: Any) -> str:
    return str(frame.f_globals.get("__name__", ""))


def waits_in(task: Task) -> str:
    """The module whose await it is, Trio's own aside."""
    modules = [module(frame) for frame in frames(task) if not module(frame).startswith("trio.")]
    return modules[-1] if modules else ""


# --- what goes wrong ----------------------------------------------------------------------------------------------


def vulnerable(task: Task) -> bool:
    """A line of neko waits here and can be made to raise.

    Where Trio itself waits for children it cannot, and a session's host waits for nothing but its turn.
    """
    if not waits_in(task).startswith("neko.") or waits_in(task) == "neko.nurseries.hosting":
        return False
    own = any(
        each.f_code.co_name == "_nested_child_finished" or module(each) == "trio._threads" for each in frames(task)
    )
    return not own and isinstance(task._next_send, outcome.Value)


class Bug(RuntimeError):
    """Nobody expects it."""


def cancel_session(stage: Stage, task: Task) -> None:
    """A vanished client's time is up, another client starts anew, the person left: all cancel this scope."""
    if stage.manager._hosting.session is not None:
        stage.manager._hosting.session.scope.cancel()


def cancel_connection(stage: Stage, task: Task) -> None:
    """The heartbeat failed, or the listener closes."""
    stage.lines[-1][1].cancel()


def cancel_character(stage: Stage, task: Task) -> None:
    """The configuration has no such character any more, and it had its time to say goodbye."""
    stage.character.cancel()


def cancel_house(stage: Stage, task: Task) -> None:
    """The grace time is over."""
    stage.house.cancel()


def client_vanishes(stage: Stage, task: Task) -> None:
    stage.hang_up()


def model_dies(stage: Stage, task: Task) -> None:
    if isinstance(stage.manager.session, Wired):
        stage.manager.session.fake.say(GONE)


def models_die(stage: Stage, task: Task) -> None:
    for model in stage.models.live:
        model.say(GONE)


def model_falls_silent(stage: Stage, task: Task) -> None:
    """Without a word: it hears and says nothing any more, and its connection stays open."""
    if isinstance(stage.manager.session, Wired):
        stage.manager.session.fake.dead = True


def bug(stage: Stage, task: Task) -> None:
    task._next_send = outcome.Error(Bug())


@frozen
class Kind:
    """One way to go wrong: `act` before a step of ours, or an error from a call of a model session."""

    name: str
    act: Callable[[Stage, Task], None] | None = None
    wire: bool = False  # also in the middle of a frame: inside of trio-websocket
    error: Callable[[], Exception] | None = None
    ends: bool = False  # the character is gone then
    cuts: bool = False  # the session or the connection is gone then
    bugs: int = 0  # that many are logged at most


KINDS = [
    Kind("session cancelled", cancel_session, cuts=True),
    Kind("connection cancelled", cancel_connection, wire=True, cuts=True),
    Kind("character cancelled", cancel_character, ends=True),
    Kind("house cancelled", cancel_house, ends=True),
    Kind("client vanishes", client_vanishes, wire=True, cuts=True),
    Kind("model dies", model_dies),
    Kind("all models die", models_die),
    Kind("model falls silent", model_falls_silent),
    Kind("bug in a step", bug, cuts=True, bugs=1),
    Kind("lost in a call", error=lambda: SessionLost("the provider closed with 1011")),
    Kind("refused in a call", error=lambda: KeyRejected("the key is not known any more")),
    Kind("bug in a call", error=Bug, cuts=True, bugs=1),
]


@frozen
class Play:
    """`act` says from when on it counts; what it needs may be gone at any moment."""

    name: str
    act: Callable[[Stage], Awaitable[None]]
    configuration: str
    voice: Voice | None = None


@define(eq=False)
class Mishap(trio.abc.Instrument):
    """Counts the steps or calls that count, and has number `at` of them go wrong."""

    stage: Stage
    kind: Kind
    at: int
    count: int = 0
    hit: str = ""

    def before_task_step(self, task: Task) -> None:
        act = self.kind.act
        if act is None or not self.stage.counting or not ours(task) or not self._counts(task):
            return
        self.count += 1
        if self.count == self.at:
            self.hit = place(task)
            act(self.stage, task)

    def _counts(self, task: Task) -> bool:
        if self.kind.act is bug:
            return vulnerable(task)
        return self.kind.wire or not waits_in(task).startswith("trio_websocket.")

    def called(self) -> None:
        if self.kind.error is None or not self.stage.counting:
            return
        self.count += 1
        if self.count == self.at:
            self.hit = place(trio.lowlevel.current_task())
            raise self.kind.error()


def run(play: Play, kind: Kind, at: int, folder: Path) -> tuple[int, list[str]]:
    """How many steps counted, and what is not as it should be. At 0 nothing goes wrong."""
    # Trio shuffles; with a seed it always does so in the same way, so that number k is the same step in every run.
    scheduler._r.seed(play.name)
    with capture_logs() as logs:
        try:
            count, hit, problems = trio.run(_perform, play, kind, at, folder, clock=MockClock(0, 0))
        except Exception as error:  # whatever it is, the process would be gone
            return 0, [f"{play.name}, {kind.name} at {at}: the process died of {error!r}"]
    bugs = [entry for entry in logs if entry["event"] in {"session.bug", "connection.bug"}]
    if len(bugs) > kind.bugs:
        problems += [f"{entry['event']}: {entry.get('exc_info')!r}" for entry in bugs]
    return count, [f"{play.name}, {kind.name} at {at} ({hit}): {problem}" for problem in problems]


async def _perform(play: Play, kind: Kind, at: int, folder: Path) -> tuple[int, str, list[str]]:
    async with open_stage(play.configuration, play.voice, folder) as stage:
        before, mishap = checks.tasks(), Mishap(stage, kind, at)
        trio.lowlevel.add_instrument(mishap)
        stage.on_call = mishap.called
        with suppress(Over, ConnectionClosed, HandshakeError):
            await play.act(stage)
        stage.counting = False
        trio.lowlevel.remove_instrument(mishap)
        if kind.ends and mishap.hit:
            return mishap.count, mishap.hit, await checks.ended(stage, before)
        return mishap.count, mishap.hit, await checks.goes_on(stage, before, cut=kind.cuts)


def sweep(play: Play, kind: Kind, folder: Path) -> tuple[int, list[str]]:
    """The play once as it is, then once for each of its steps: how many, and everything that went wrong."""
    count, problems = run(play, kind, 0, folder)
    for at in range(1, count + 1):
        problems += run(play, kind, at, folder)[1]
    return count, problems
