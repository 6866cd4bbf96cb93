"""When a model is taken to repeat itself."""

from __future__ import annotations

from difflib import SequenceMatcher

from hypothesis import given
from hypothesis import strategies as st

from neko.conversation.repetition import SIMILAR, Repetition, similar

SEA = "I was at the beach this morning, and the waves were higher than ever."
STORY = "Do you know the story of the fisherman who married the moon? My aunt told it to me."
RAMEN = "Let us have ramen tonight, with an egg and a lot of green onions."


def after(*replies: str) -> Repetition:
    repetition = Repetition()
    for reply in replies:
        repetition.add(reply)
    return repetition


def test_twice_in_the_last_three_is_enough() -> None:
    assert not after(SEA).repeats(SEA)
    assert after(SEA, SEA).repeats(SEA)
    assert after(SEA, STORY, SEA).repeats(SEA)
    assert not after(SEA, SEA, STORY, RAMEN).repeats(SEA)
    assert not after(SEA, STORY, RAMEN).repeats("And what did you do all day?")


def test_nearly_the_same_is_the_same() -> None:
    assert after(SEA.replace("morning", "evening"), SEA + " Really!").repeats(SEA)


def test_the_tags_of_a_mood_count_for_nothing() -> None:
    assert not after("<happy> Yes!", "<happy> Sure.").repeats("<happy> Perhaps")
    assert after("<happy> " + SEA, "<sad> " + SEA).repeats(SEA)


def test_the_beginning_of_a_reply_is_not_the_reply() -> None:
    assert not after(SEA, SEA).repeats("I was at the beach")


def test_silence_repeats_nothing() -> None:
    assert not after("", "", "").repeats("")


def test_after_it_was_helped_out_it_gets_another_chance() -> None:
    repetition = after(SEA, SEA, SEA)
    repetition.forget()
    assert not repetition.repeats(SEA)


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_difflib_takes_for_alike_is_alike(one: str, other: str) -> None:
    blocks = SequenceMatcher(None, one, other, autojunk=False).ratio()
    assert similar(one, other) or blocks < SIMILAR or not (one and other)
    assert similar(one, other) == similar(other, one)


@given(st.text(min_size=1, max_size=60))
def test_everything_is_like_itself(text: str) -> None:
    assert similar(text, text)


@given(st.lists(st.sampled_from([SEA, STORY, RAMEN]), max_size=8), st.sampled_from([SEA, STORY, RAMEN]))
def test_it_is_counted_in_the_last_three(said: list[str], reply: str) -> None:
    assert after(*said).repeats(reply) == (said[-3:].count(reply) >= 2)
