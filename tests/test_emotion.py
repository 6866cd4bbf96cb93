"""Mood tags are taken out of a reply as it streams, wherever the stream is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neko.conversation.emotion import EmotionTags


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
    text, emotions = told(pieces)
    whole, wanted = told([reply])
    assert emotions == wanted
    assert text.split() == whole.split()
