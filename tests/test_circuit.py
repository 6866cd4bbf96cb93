"""Back-off and circuit: who comes back when, and what is said meanwhile."""

from __future__ import annotations

import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neko.conversation.backoff import Backoff
from neko.realtime.circuit import FAILURES, LASTING_S, Circuit
from neko.realtime.errors import KeyRejected, ProviderError, RateLimited, Unreachable

AWAY = Unreachable("nobody answers at example.org:443")


def highest(_low: float, high: float) -> float:
    return high


def circuit() -> Circuit:
    return Circuit(Backoff(1.0, 60.0, highest))


def broken(error: ProviderError = AWAY, now: float = 0.0) -> Circuit:
    opened = circuit()
    for _ in range(FAILURES):
        assert opened.admit(now) is None
        opened.failed(error, now)
    return opened


def test_each_wait_is_drawn_below_a_ceiling_that_doubles_to_its_limit() -> None:
    backoff = Backoff(1.0, 60.0, highest)
    assert [backoff.next_s() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    backoff.reset()
    assert backoff.next_s() == 1


def test_who_failed_together_does_not_come_back_together() -> None:
    """Full jitter: anything below the ceiling, evenly."""
    chance = random.Random(7)
    waits = sorted(Backoff(8.0, 60.0, chance.uniform).next_s() for _ in range(1_000))
    assert waits[0] < 0.1
    assert waits[-1] > 7.9
    assert fmean(waits) == pytest.approx(4.0, abs=0.3)


def test_what_the_provider_asks_for_is_the_least() -> None:
    assert Backoff(1.0, 60.0, highest).next_s(20.0) == 21.0
    assert Backoff(1.0, 60.0, lambda low, _high: low).next_s(20.0) == 20.0


def test_a_few_failures_are_none() -> None:
    closed = circuit()
    for _ in range(FAILURES - 1):
        closed.failed(AWAY, 0)
    assert closed.admit(0) is None
    closed.succeeded()
    closed.failed(AWAY, 0)
    assert closed.admit(0) is None


def test_one_too_many_opens_it_and_who_comes_is_told_why_at_once() -> None:
    opened = broken()
    refused = opened.admit(0.5)
    assert type(refused) is Unreachable
    assert refused.details == ("nobody answers at example.org:443 (it is left alone for now); try again in 1 s")


def test_one_probe_after_the_back_off_and_the_others_wait_for_it() -> None:
    opened = broken()
    assert opened.admit(1.0) is None
    assert opened.admit(1.0) is not None
    opened.failed(AWAY, 1.0)
    assert opened.admit(2.9) is not None
    assert opened.admit(3.0) is None
    opened.succeeded()
    assert opened.admit(3.0) is None
    assert opened.admit(3.0) is None
    assert opened.opened == 1


def test_a_probe_that_was_called_off_leaves_room_for_another() -> None:
    opened = broken()
    assert opened.admit(1.0) is None
    opened.withdrew()
    assert opened.admit(1.0) is None


def test_a_refused_key_is_not_tried_a_second_time_within_a_minute() -> None:
    opened = circuit()
    opened.failed(KeyRejected("no"), 0)
    assert isinstance(opened.admit(LASTING_S - 1), KeyRejected)
    assert opened.admit(LASTING_S) is None


def test_a_provider_that_says_when_to_come_back_is_left_alone_until_then() -> None:
    opened = circuit()
    opened.failed(RateLimited("slowly", retry_after_s=20), 0)
    assert isinstance(opened.admit(20.9), RateLimited)
    assert opened.admit(21) is None


@given(
    st.lists(st.tuples(st.floats(0, 5), st.sampled_from(["ok", "away", "key", "cancel"])), max_size=60), st.randoms()
)
def test_an_open_circuit_never_admits_two_at_a_time(tries: list[tuple[float, str]], chance: random.Random) -> None:
    tried = Circuit(Backoff(1.0, 60.0, chance.uniform))
    now, inside = 0.0, 0
    for wait_s, how in tries:
        now += wait_s
        was_open = tried.open
        if tried.admit(now) is None:
            inside += 1
            if was_open:
                assert tried.admit(now) is not None
            match how:
                case "ok":
                    tried.succeeded()
                case "away":
                    tried.failed(AWAY, now)
                case "key":
                    tried.failed(KeyRejected("no"), now)
                case _:
                    tried.withdrew()
        assert tried.next_probe(now) >= now
