"""A reply is cut into phrases the same way however it streams in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neko.conversation.phrases import MAX_PHRASE, Phrase, PhraseSplitter

TABLE = {
    "commas until eight characters are out": (
        "Oh, my dear, I am fine, thank you. And you, too?",
        ["Oh,", " my dear,", " I am fine, thank you.", " And you, too?"],
    ),
    "a tag is told and not spoken, and is no words": (
        "<happy> Hi, there, you, there.",
        ["<happy> Hi,", " there,", " you, there."],
    ),
    "Chinese": ("你好，我是唯。今天，天气很好！", ["你好，", "我是唯。", "今天，", "天气很好！"]),
    "Japanese": (
        "こんにちは、ゆいです。元気、ですか？はい。",
        ["こんにちは、", "ゆいです。", "元気、ですか？", "はい。"],
    ),
    "numbers and titles": (
        "It costs 1,000 or 2.50 for Mr. Smith. Ask Dr. Jones!",
        ["It costs 1,000 or 2.50 for Mr. Smith.", " Ask Dr. Jones!"],
    ),
    "marks in a row": ("What?! Really... I see.", ["What?!", " Really...", " I see."]),
    "quotes belong to their sentence": ("She said “no.” And left.", ["She said “no.”", " And left."]),
    "lines": ("First line here\nsecond line", ["First line here\n", "second line"]),
    "a tag at the end": ("Good night, my friend. <sad>", ["Good night,", " my friend.", " <sad>"]),
}


def cut(pieces: list[str]) -> list[Phrase]:
    splitter = PhraseSplitter()
    return [phrase for piece in pieces for phrase in splitter.push(piece)] + splitter.finish()


@pytest.mark.parametrize("case", TABLE)
def test_phrases_of_words(case: str) -> None:
    text, expected = TABLE[case]
    words = [word if index == 0 else " " + word for index, word in enumerate(text.split(" "))]
    assert [phrase.text for phrase in cut(words)] == expected


def test_what_is_spoken() -> None:
    assert [phrase.spoken for phrase in cut(["<happy> Hi there, ", "I am <sad> sad. ", "<bye>"])] == [
        "Hi there,",
        "I am sad.",
        "",
    ]


def test_a_phrase_is_out_as_soon_as_its_comma() -> None:
    splitter = PhraseSplitter()
    assert splitter.push("Oh") == []
    assert splitter.push(",") == [Phrase("Oh,", "Oh,")]


def test_without_marks_it_is_cut_at_a_space() -> None:
    phrases = cut(["word " * 100])
    assert all(len(phrase.text) <= MAX_PHRASE for phrase in phrases)
    assert all(phrase.spoken.endswith("word") for phrase in phrases if phrase.spoken)


@given(st.lists(st.text(alphabet='ab ,.!?。、，<happy>1\n"', max_size=12), max_size=20))
def test_nothing_is_lost(pieces: list[str]) -> None:
    assert "".join(phrase.text for phrase in cut(pieces)) == "".join(pieces)
