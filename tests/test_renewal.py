"""When a model session is renewed: the policy alone."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neko.conversation.renewal import IDLE_S, Limits, Reason, Renewal, Wear, fresh_until, renewal

NEW: dict[str, Any] = {
    "since": 1000.0,
    "ends_at": None,
    "turns": 0,
    "tokens": 0,
    "quiet_since": None,
    "outdated": False,
    "untold": False,
}
LIMITS: dict[str, Any] = {"max_turns": 10, "max_age_s": 0.0, "context_tokens": None, "swap_deadline_s": 5.0}


def due(limits: dict[str, Any] | None = None, **wear: Any) -> Renewal | None:
    return renewal(Wear(**NEW | wear), Limits(**LIMITS | (limits or {})))


def test_a_fresh_session_is_not_renewed() -> None:
    assert due() is None


def test_a_provider_that_warns_is_waited_for() -> None:
    """Its limit is a guess until then; it comes true at the latest when the warning has not come."""
    ten_minutes: dict[str, Any] = {"ends_at": 1600.0}
    plain, warned = due(**ten_minutes), due({"warns_before_s": 60.0}, **ten_minutes)
    assert plain is not None
    assert warned is not None
    assert (plain.at, warned.at) == (1480.0, 1540.0)
    assert plain.by == warned.by == 1597.0
    named = due({"warns_before_s": 3600.0}, ends_at=4600.0)
    assert named == due(ends_at=4600.0)


@pytest.mark.parametrize(
    ("wear", "limits", "expected"),
    [
        ({"turns": 10}, {}, Renewal(Reason.TURNS, -inf, -inf)),
        ({"turns": 9}, {}, Renewal(Reason.TURNS, -inf, inf)),
        ({"turns": 20}, {}, Renewal(Reason.TURNS, -inf, -inf, -inf)),
        ({"turns": 99}, {"max_turns": 0}, None),
        ({}, {"max_age_s": 60.0}, Renewal(Reason.AGE, 1055.0, 1060.0, 1120.0)),
        ({"outdated": True}, {}, Renewal(Reason.CONFIG, -inf, -inf)),
        ({"untold": True}, {}, Renewal(Reason.AGENTS, -inf, -inf)),
        ({"tokens": 750}, {"context_tokens": 1000}, Renewal(Reason.CONTEXT, -inf, -inf)),
        ({"tokens": 950}, {"context_tokens": 1000}, Renewal(Reason.CONTEXT, -inf, -inf, -inf)),
        ({"tokens": 600}, {"context_tokens": 1000}, Renewal(Reason.CONTEXT, -inf, inf)),
        ({"tokens": 500}, {"context_tokens": 1000}, None),
        ({"talked_since": 1100.0}, {"remembers_s": 120.0}, Renewal(Reason.CONTEXT, 1185.0, 1190.0)),
        ({}, {"remembers_s": 120.0}, None),
        ({"turns": 5, "quiet_since": 2000.0}, {}, Renewal(Reason.IDLE, 2000 + IDLE_S - 5, 2000 + IDLE_S)),
        ({"turns": 4, "quiet_since": 2000.0}, {}, None),
        ({"ends_at": 4600.0}, {}, Renewal(Reason.EXPIRES, 4475.0, 4480.0, 4597.0)),
        ({"ends_at": 1600.0}, {}, Renewal(Reason.EXPIRES, 1475.0, 1480.0, 1597.0)),
        ({"ends_at": 1010.0}, {}, Renewal(Reason.EXPIRES, 1003.0, 1008.0, 1009.5)),
    ],
)
def test_each_reason(wear: dict[str, Any], limits: dict[str, Any], expected: Renewal | None) -> None:
    assert due(limits, **wear) == expected


def test_another_reason_does_not_have_the_limit_missed() -> None:
    assert due(turns=10, ends_at=4600.0) == Renewal(Reason.TURNS, -inf, -inf, 4597.0)


def test_a_prepared_session_is_replaced_in_the_middle_of_its_life() -> None:
    assert fresh_until(100.0, 700.0) == 400.0
    assert fresh_until(100.0, None) == inf


FINITE = st.floats(0, 1e6)


@given(
    wear=st.builds(
        Wear,
        since=FINITE,
        ends_at=st.none() | FINITE.map(lambda life: 1e6 + life + 1),
        turns=st.integers(0, 50),
        tokens=st.integers(0, 50_000),
        quiet_since=st.none() | FINITE,
        outdated=st.booleans(),
        talked_since=st.none() | FINITE,
        untold=st.booleans(),
    ),
    limits=st.builds(
        Limits,
        max_turns=st.integers(0, 20),
        max_age_s=st.just(0.0) | FINITE,
        context_tokens=st.none() | st.integers(1, 30_000),
        swap_deadline_s=st.floats(0.1, 60),
        remembers_s=st.none() | st.floats(1, 600),
    ),
)
def test_a_limit_is_never_missed_and_preparing_comes_first(wear: Wear, limits: Limits) -> None:
    decided = renewal(wear, limits)
    if wear.ends_at is not None:
        assert decided is not None
        assert decided.by < wear.ends_at
        assert decided.at <= max(decided.by, wear.ends_at)
    if decided is not None:
        assert decided.prepare_at <= decided.at
