"""Whoever looks for a missing provider finds the one that is missing now."""

from __future__ import annotations

import trio
from attrs import define, evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.config.read import parse
from neko.config.snapshot import Snapshot, take_snapshot
from neko.nurseries.plan import Plan
from neko.nurseries.vacancy import Vacancy
from neko.protocol.client import InputMode
from neko.realtime.errors import ProviderError, Unreachable

WHY = Unreachable("nobody answers")
PLAN = Plan(take_snapshot(parse("[characters.Mimi]\n", "neko.toml"), "Mimi"), InputMode.AUDIO)
OTHER = evolve(PLAN, mode=InputMode.TEXT)


@define(eq=False)
class Answers:
    """A `Back`: each provider answers when its event is set."""

    audio: trio.Event
    text: trio.Event

    async def __call__(self, _snapshot: Snapshot, mode: InputMode, _why: ProviderError) -> None:
        await (self.audio if mode is InputMode.AUDIO else self.text).wait()


async def test_what_answers_when_something_else_is_missing_already_is_not_found(autojump_clock: MockClock) -> None:
    answers, found = Answers(trio.Event(), trio.Event()), list[Plan | None]()
    vacancy = Vacancy(answers)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(vacancy.run, lambda: found.append(vacancy.plan))
        vacancy.begins(PLAN, WHY)
        await wait_all_tasks_blocked()
        answers.audio.set()
        vacancy.begins(OTHER, WHY)  # before whoever looks has run
        await wait_all_tasks_blocked()
        assert (found, vacancy.found) == ([], False)
        answers.text.set()
        await wait_all_tasks_blocked()
        assert found == [OTHER]
        assert vacancy.found
        nursery.cancel_scope.cancel()
