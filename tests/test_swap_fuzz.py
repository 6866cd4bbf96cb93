"""Whole conversations by chance: whatever happens, what was said is answered once, and what was answered is heard."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fuzz.machine import Conversation

PARTS = 4  # each with scripts of its own, so that they can run beside each other
SCRIPTS = int(os.environ.get("NEKO_SCRIPTS", "200"))  # in all parts together; `just test` and `just swap-fuzz` set it
STEPS = 20  # at most, in one script; what failed so far failed with three to twelve


def _drop(_logger: Any, _method: str, _event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    raise structlog.DropEvent


@pytest.fixture
def no_log() -> Iterator[None]:
    """Ten lines for each of ten thousand conversations would cost a fifth of the time."""
    before = structlog.get_config()
    structlog.configure(processors=[_drop])
    yield
    structlog.configure(**before)


@pytest.mark.slow
@pytest.mark.usefixtures("no_log")
@pytest.mark.parametrize("part", range(PARTS))
def test_by_chance(part: int) -> None:
    """A failure names the script; the same part plays the same scripts each time."""
    scripts = SCRIPTS // PARTS
    machine: Any = seed(part)(type("Conversation", (Conversation,), {"played": 0}))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=scripts,
            stateful_step_count=STEPS,
            deadline=None,  # other work on the machine makes no conversation wrong
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"part {part}: {machine.played} conversations played to their end")
    assert machine.played >= scripts
