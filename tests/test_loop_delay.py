"""How late the event loop is: a stall shows in each sample that falls into it, and in none after it."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.telemetry.loop import sample_loop_delay

EVERY_S = 0.02


@pytest.fixture
async def late_s(mock_clock: MockClock, nursery: trio.Nursery) -> list[float]:
    samples: list[float] = []
    nursery.start_soon(partial(sample_loop_delay, EVERY_S, into=samples))
    await wait_all_tasks_blocked()
    return samples


async def test_a_stall_shows_in_each_sample_that_falls_into_it(mock_clock: MockClock, late_s: list[float]) -> None:
    for turn_s in (0.07, 0.01):
        mock_clock.jump(turn_s)
        await wait_all_tasks_blocked()
    assert late_s == pytest.approx([0.05, 0.03, 0.01, 0.0])


async def test_turns_longer_than_the_rhythm_do_not_add_up(mock_clock: MockClock, late_s: list[float]) -> None:
    turn_s = 2.5 * EVERY_S
    for _ in range(20):
        mock_clock.jump(turn_s)
        await trio.lowlevel.checkpoint()
    await wait_all_tasks_blocked()
    assert max(late_s) < 2 * turn_s  # the one in which it is due and, if the other task goes first, the one after
