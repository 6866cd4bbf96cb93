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
    "ellipses": ("Well… maybe... but no。", ["Well…", " maybe...", " but no。"]),
    "emoji are in nobody's way": ("Great! 😀 Let's go… 🎉", ["Great!", " 😀 Let's go…", " 🎉"]),
    "abbreviations, letter by letter": (
        "Take fruit, e.g. apples, or J. R. Tolkien vs. me. Fine.",
        ["Take fruit,", " e.g. apples, or J. R. Tolkien vs. me.", " Fine."],
    ),
    "German": (
        "Am 3. Mai kostet es z. B. 1.234,50 Euro, d.h. viel. Dr. Weiß sagt: „Nein!“ Und geht.",
        ["Am 3. Mai kostet es z. B. 1.234,50 Euro,", " d.h. viel.", " Dr. Weiß sagt: „Nein!", "“ Und geht."],
    ),
    "French": (
        "M. Dupont dit : « Bonjour ! » Il part à 8 h 30. Voilà.",
        ["M. Dupont dit : « Bonjour !", " » Il part à 8 h 30. Voilà."],
    ),
    "Korean": (
        "안녕하세요, 저는 유이예요. 오늘은 바다를 봤어요!",
        ["안녕하세요,", " 저는 유이예요.", " 오늘은 바다를 봤어요!"],
    ),
    "Chinese quotes, titles and decimals": (
        "她说：“我读了《三体》。”然后花了3.5元，走了……真的？！",
        ["她说：“我读了《三体》。”", "然后花了3.5元，走了……", "真的？！"],
    ),
    "Japanese quotes and half width": (
        "「えっ？」「本当です。」ﾊｲ｡そう、です。",
        ["「えっ？」", "「本当です。」", "ﾊｲ｡", "そう、です。"],
    ),
    "Arabic and Hindi": ("مرحبا، كيف حالك؟ नमस्ते। ठीक है।", ["مرحبا،", " كيف حالك؟", " नमस्ते।", " ठीक है।"]),
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


def test_a_quote_that_comes_after_its_mark_is_not_spoken() -> None:
    assert [phrase.spoken for phrase in cut(["Il dit « Bonjour !", " » Il part.", " 他说：“好。", "”走了。"])] == [
        "Il dit « Bonjour !",
        "Il part.",
        "他说：“好。",
        "走了。",
    ]


def test_a_phrase_is_out_as_soon_as_its_comma() -> None:
    splitter = PhraseSplitter()
    assert splitter.push("Oh") == []
    assert splitter.push(",") == [Phrase("Oh,", "Oh,")]


def test_without_marks_it_is_cut_at_a_space() -> None:
    phrases = cut(["word " * 100])
    assert all(len(phrase.text) <= MAX_PHRASE for phrase in phrases)
    assert all(phrase.spoken.endswith("word") for phrase in phrases if phrase.spoken)


MARKS = ".,!?…。！？、，；;:\n \u00a0«»“”„「」『』《》()-'\""
LETTERS = "abzBÄßéñ12345你好こんにちは안녕メイ😀👩‍🚀"


@given(st.text(alphabet=MARKS + LETTERS, max_size=400), st.data())
def test_in_any_script_nothing_is_lost_and_no_phrase_is_too_long(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20)))
    pieces = [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    phrases = cut(pieces)
    assert "".join(phrase.text for phrase in phrases) == text
    # The longest piece may still be whole: what has arrived is cut as soon as a mark allows it.
    assert all(len(phrase.text) <= MAX_PHRASE for phrase in phrases[:-1])


@given(
    st.lists(st.sampled_from(["你好", "天气很好", "こんにちは", "そうです"]), min_size=1, max_size=12),
    st.sampled_from("。！？"),
)
def test_writing_without_spaces_is_cut_at_each_of_its_marks(sentences: list[str], mark: str) -> None:
    text = "".join(sentence + mark for sentence in sentences)
    for pieces in ([text], list(text)):
        assert [phrase.spoken for phrase in cut(pieces)] == [sentence + mark for sentence in sentences]


@given(
    st.lists(st.sampled_from(["Das ist gut", "Il fait beau", "So it goes", "바다를 봤어요"]), min_size=1, max_size=12)
)
def test_full_stops_are_cut_the_same_way_however_they_stream_in(sentences: list[str]) -> None:
    text = " ".join(f"{sentence}." for sentence in sentences)
    for pieces in ([text], list(text)):
        assert [phrase.spoken for phrase in cut(pieces)] == [f"{sentence}." for sentence in sentences]


@given(st.lists(st.text(alphabet='ab ,.!?。、，<happy>1\n"', max_size=12), max_size=20))
def test_nothing_is_lost(pieces: list[str]) -> None:
    assert "".join(phrase.text for phrase in cut(pieces)) == "".join(pieces)
