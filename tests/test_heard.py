"""What the person has heard of a speech: milliseconds and words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neko.conversation.heard import Playout


def spoken() -> Playout:
    """Two phrases of one second each, all sent at once at time 10."""
    playout = Playout()
    playout.told("Hello my friend. ")
    playout.sent(1000, 10.0)
    playout.told("How are you today?")
    playout.sent(1000, 10.0)
    return playout


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (10.0, ""),
        (10.5, "Hello my"),
        (11.0, "Hello my friend."),
        (11.6, "Hello my friend. How are"),
        (12.0, "Hello my friend. How are you today?"),
        (99.0, "Hello my friend. How are you today?"),
    ],
)
def test_words_are_heard_whole_and_in_time(now: float, text: str) -> None:
    assert spoken().heard_text(now) == text


def test_of_nothing_nothing_was_heard() -> None:
    playout = Playout()
    assert playout.heard_text(1.0) == ""
    playout.sent(500, 1.0)
    assert playout.heard_text(1.2) == ""


def test_writing_without_spaces_is_cut_where_it_is() -> None:
    playout = Playout()
    playout.told("今日は天気がいい")
    playout.sent(800, 0.0)
    assert playout.heard_text(0.45) == "今日は天"


def test_words_whose_sound_has_not_begun_were_not_heard() -> None:
    playout = spoken()
    playout.told(" And one more.")
    assert playout.heard_text(99.0) == "Hello my friend. How are you today?"


def test_sound_that_comes_late_is_played_when_it_comes() -> None:
    playout = Playout()
    playout.sent(100, 0.0)
    assert (playout.heard_ms(4.0), playout.playing(4.0)) == (100, False)
    playout.sent(100, 5.0)
    assert playout.heard_ms(5.05) == pytest.approx(150)
    assert playout.playing(5.05)
    assert not playout.playing(5.2)


def test_the_clients_report_replaces_the_assumption() -> None:
    playout = spoken()
    playout.reported(200, 11.5)
    assert playout.heard_ms(11.5) == pytest.approx(200)
    assert playout.playing(13.2)


@given(
    chunks=st.lists(st.tuples(st.floats(0, 500), st.floats(0, 1)), max_size=20),
    played=st.floats(-10, 1e6),
    after=st.floats(0, 10),
)
def test_never_more_than_sent_and_never_less_than_nothing(
    chunks: list[tuple[float, float]], played: float, after: float
) -> None:
    playout, now = Playout(), 0.0
    for ms, pause in chunks:
        now += pause
        playout.sent(ms, now)
    playout.reported(played, now)
    assert -1e-6 <= playout.heard_ms(now + after) <= playout.sent_ms
    assert playout.heard_ms(now + 3600) == playout.sent_ms
