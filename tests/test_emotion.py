"""Mood tags are taken out of a reply as it streams, wherever the stream is cut."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neko.conversation.emotion import EmotionTags, Mood
from neko.conversation.phrases import MAX_PHRASE, PhraseSplitter


def told(pieces: list[str]) -> tuple[str, list[str]]:
    tags, text = EmotionTags(), ""
    emotions: list[str] = []
    for part in [*(tags.push(piece) for piece in pieces), tags.flush()]:
        text += part.text
        emotions += part.emotions
    return text, emotions


@pytest.mark.parametrize(
    ("reply", "text", "emotions"),
    [
        ("<happy> Hello you!", "Hello you!", ["happy"]),
        ("<Happy>Hello", "Hello", ["happy"]),
        ("Hello <sad> again. <calm/>", "Hello again. ", ["sad", "calm"]),
        ("1 < 2 and <3", "1 < 2 and <3", []),
        ("no tag", "no tag", []),
        ("a <" + "x" * 40 + "> b", "a <" + "x" * 40 + "> b", []),
        ("", "", []),
        ("Hello<sad>World", "Hello World", ["sad"]),
        ("你好<开心>世界", "你好世界", ["开心"]),
        ("<खुश> नमस्ते <très-heureux>!", "नमस्ते !", ["खुश", "très-heureux"]),
        ("<happy>Hello</happy> you </sad>", "Hello you ", ["happy"]),
        ("Hi.\n<sad>\nBye", "Hi.\nBye", ["sad"]),
        ("a <b c> d <1> < e> <> </> << f >", "a <b c> d <1> < e> <> </> << f >", []),
        ("<<happy>", "<", ["happy"]),
        ("the end <hap", "the end <hap", []),
    ],
)
def test_tags_become_emotions(reply: str, text: str, emotions: list[str]) -> None:
    assert told([reply]) == (text, emotions)


@given(
    st.lists(st.sampled_from(["Hello", " ", "<happy>", "<", ">", "sad", " <calm> ", "\n", "2", "."]), max_size=12),
    st.lists(st.integers(1, 4), max_size=60),
)
def test_where_the_stream_is_cut_makes_no_difference(parts: list[str], cuts: list[int]) -> None:
    reply, pieces, at = "".join(parts), [], 0
    for size in cuts:
        pieces.append(reply[at : at + size])
        at += size
    pieces.append(reply[at:])
    assert told(pieces) == told([reply])


PIECES = st.lists(
    st.sampled_from(
        ["Hello", " ", "\n", "<happy>", "</happy>", "<开心>", "<", ">", "/", "好", "a-b_c", "x" * 30, "2", "."]
    ),
    max_size=14,
)


@given(PIECES, st.randoms(use_true_random=False))
def test_every_part_comes_in_its_place_wherever_the_stream_is_cut(parts: list[str], random: Random) -> None:
    reply = "".join(parts)
    assert in_order(chopped(reply, random)) == in_order([reply])


@given(PIECES, st.randoms(use_true_random=False))
def test_nothing_is_held_back_that_can_be_no_tag(parts: list[str], random: Random) -> None:
    tags, given_in, out = EmotionTags(), "", ""
    for piece in chopped("".join(parts), random):
        given_in += piece
        out += tags.push(piece).text
        held = tags._held
        assert given_in.endswith(held)
        assert not held or any(EmotionTags().push(held + rest).text == "" for rest in (">", "a>", "/a>"))


@given(st.text(alphabet=st.characters(blacklist_characters="<"), max_size=80), st.randoms(use_true_random=False))
def test_text_without_tags_passes_as_it_is(reply: str, random: Random) -> None:
    assert in_order(chopped(reply, random)) == ([reply.lstrip()] if reply.lstrip() else [])


@given(PIECES, st.randoms(use_true_random=False))
def test_what_is_spoken_has_no_tags(parts: list[str], random: Random) -> None:
    tags, splitter = EmotionTags(), PhraseSplitter()
    phrases = []
    for piece in chopped("".join(parts), random):
        phrases += splitter.push(tags.push(piece).text)
    phrases += splitter.push(tags.flush().text) + splitter.finish()
    spoken = " ".join(phrase.spoken for phrase in phrases)
    assert "<happy>" not in spoken
    assert "<开心>" not in spoken


def test_a_tag_is_not_parted_where_a_phrase_is_too_long() -> None:
    splitter = PhraseSplitter()
    phrases = [*splitter.push("好" * (MAX_PHRASE - 3)), *splitter.push("<开"), *splitter.push("心>好好")]
    phrases += splitter.finish()
    assert "".join(phrase.spoken for phrase in phrases) == "好" * (MAX_PHRASE - 1)


def chopped(reply: str, random: Random) -> list[str]:
    pieces = []
    while reply:
        size = random.randint(1, 6)
        pieces.append(reply[:size])
        reply = reply[size:]
    return pieces


def in_order(pieces: list[str]) -> list[str | Mood]:
    """Words between two moods joined."""
    tags = EmotionTags()
    parts = [part for piece in pieces for part in tags.push(piece).parts]
    parts += tags.flush().parts
    joined: list[str | Mood] = []
    for part in parts:
        if joined and isinstance(part, str) and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return joined
