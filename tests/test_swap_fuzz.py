"""Whole conversations by chance: whatever happens, what was said is answered once, and what was answered is heard."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fuzz.machine import Conversation

PARTS = 4  # each with scripts of its own, so that they can run beside each other
CONVERSATIONS = int(os.environ.get("NEKO_CONVERSATIONS", "240"))  # in all parts together; `just swap-fuzz` sets it
STEPS = 20  # at most, in one script; what failed so far failed with three to twelve


@pytest.fixture
def seldom_collected() -> Iterator[None]:
    """A world is a few thousand objects in circles: to look through all that was ever imported for each of them would
    cost a seventh of the time."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # a collection for every few conversations
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.slow
@pytest.mark.timeless
@pytest.mark.usefixtures("no_log", "seldom_collected")
@pytest.mark.parametrize("part", range(PARTS))
def test_by_chance(part: int) -> None:
    """A failure names the script; the same part plays the same scripts each time."""
    wanted, played, runs = -(-CONVERSATIONS // PARTS), 0, 0
    while played < wanted:
        # Hypothesis also plays scripts that it does not count: the rest is asked for when it is known.
        scripts = -(-(wanted - played) * 4 // 5)
        played += _play(scripts, part + PARTS * runs)
        runs += 1
    print(f"part {part}: {played} conversations played to their end")


def _play(scripts: int, chance: int) -> int:
    machine: Any = seed(chance)(type("Conversation", (Conversation,), {"played": 0}))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=scripts,
            stateful_step_count=STEPS,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    played: int = machine.played
    assert played >= scripts
    return played
