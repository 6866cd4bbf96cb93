"""Whatever goes wrong, at whatever step: nothing is left over, nothing is told twice, and the character still talks."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio._core._run as scheduler

from tests.sweep import KINDS, Kind, Play, sweep
from tests.sweep_plays import PLAYS

SHOWN = 20  # problems; the first says most
# Some mishaps differ from others only in some plays: a connection that is cancelled is a client that vanishes but for
# the handshake and the coming back; a character without its house dies as with it; "all" is more than "the" model only
# where another is prepared; silence is told from death by those who wait for an answer.
ONLY = {
    "connection cancelled": {"start, due", "vanish and resume", "taken over"},
    "character cancelled": {"start, eager", "swap now", "end and start"},
    "all models die": {"start, eager", "swap now", "loss, eager", "end and start", "tool over a swap"},
    "model falls silent": {"spoken turn", "typed turn", "swap now", "tool over a swap"},
}
CASES = [(play, kind) for play in PLAYS for kind in KINDS if play.name in ONLY.get(kind.name, {play.name})]


@pytest.fixture(autouse=True)
def _same_order_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "_ALLOW_DETERMINISTIC_SCHEDULING", True)


@pytest.mark.slow
@pytest.mark.timeless
@pytest.mark.parametrize(("play", "kind"), CASES, ids=lambda each: each.name)
def test_sweep(play: Play, kind: Kind, tmp_path: Path) -> None:
    count, problems = sweep(play, kind, tmp_path)
    assert count > 0
    if problems:
        pytest.fail("\n".join([f"{len(problems)} problems in {count} steps", *problems[:SHOWN]]), pytrace=False)
