"""What the next model session is told: bounded, in order, and append-only for as long as can be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neko.conversation.history import History, Role, Utterance
from neko.conversation.recap import (
    EARLIER_TOKENS,
    KEPT_TOKENS,
    MESSAGE_TOKENS,
    RECAP_TOKENS,
    VERBATIM_TOKENS,
    Recap,
    recap,
)
from neko.conversation.tokens import beginning, tokens

# Everyday talk, and how many tokens the tokenizer of Qwen2.5-Coder-0.5B-Instruct makes of it (llama.cpp's /tokenize).
TALK = [
    ("Hm. No. OK, so? I do. Go on! Yes, it is. Why me? Oh, a cat! Is it?", 31),
    ("Dün akşam arkadaşlarımla çok güzel bir yemek yedik, sonra da sahilde uzun uzun yürüdük.", 31),
    ("Eilen kävelin pitkään metsässä, ja kotimatkalla näin oravan, joka varasti pähkinöitä lintulaudalta.", 38),
    ("Hôm qua tôi đi dạo ở công viên và gặp một con mèo nhỏ rất dễ thương, nó theo tôi về nhà.", 29),
    ("Wczoraj wieczorem poszliśmy nad rzekę i długo patrzyliśmy, jak płyną chmury. Chciałbyś tam kiedyś pójść?", 40),
    ("Χθες περπάτησα στην παραλία και σκεφτόμουν αυτό που μου είπες. Πώς ήταν η μέρα σου;", 67),
    ("أمس مشيت على الشاطئ وفكرت في ما قلته لي. كيف كان يومك؟", 23),
    ("कल मैं समुद्र के किनारे टहल रही थी और तुम्हारी बात सोच रही थी। तुम्हारा दिन कैसा रहा?", 80),
    ("เมื่อวานฉันเดินเล่นริมทะเลและคิดถึงสิ่งที่คุณพูด วันนี้ของคุณเป็นอย่างไรบ้าง", 48),
    ("어제 바닷가를 걸으면서 네가 한 말을 생각했어. 오늘 하루는 어땠어? 나한테 얘기해 줘.", 35),
    ("昨日は海辺を散歩しながら、あなたが言ったことを考えていたの。今日はどうだった？ねえ、聞かせてよ。", 30),
    ("昨天我在海边散步，一直在想你说的话。你今天过得怎么样？快跟我讲讲吧，我等了一整天呢！", 27),
    ("😀😂🥹👍🏽❤️🐱🌊🎉🫠🧑‍🚀🏳️‍🌈🇯🇵", 25),
    ("0123456789 3.14159265358979 2026-11-07 18:45:12", 47),
    ("今日はMondayだから、meetingが3つもあるのよ… OK? 😂", 16),
]
WORDS = st.sampled_from(
    ["yes", "hm", "the moon", "浪", "海辺を散歩", "😂", "1,234.5", "Straße", ".", "…", "\n", "word. Next!"]
)
SPEECH = st.lists(WORDS, max_size=40).map(" ".join) | st.text(max_size=60)
LONG = st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=5), st.integers(1, 20_000))
TEXTS = st.lists(SPEECH | LONG, min_size=1, max_size=40)


def told(texts: list[str], first: int = 0) -> list[Utterance]:
    """These texts in turn, the first one of the person; `first` is its number."""
    roles = [Role.USER, Role.ASSISTANT]
    return [Utterance(roles[at % 2], text, 0.0, first + at) for at, text in enumerate(texts)]


def recapped(utterances: list[Utterance]) -> Recap:
    return recap(utterances, person="Anna", character="Mimi")


def messages(told_now: Recap) -> list[str]:
    """As a prompt: what a prefix cache compares."""
    earlier = [told_now.earlier] if told_now.earlier else []
    return earlier + [f"{each.role}: {each.text}" for each in told_now.verbatim]


def changes(utterances: list[Utterance]) -> int:
    """How often what was told was no beginning of what is told four utterances later; they come further apart."""
    count, before = 0, list[str]()
    for end in range(4, len(utterances) + 1, 4):
        now = messages(recapped(utterances[:end]))
        count += now[: len(before)] != before
        before = now
    return count


def sentence(number: int) -> str:
    """A long one, as characters tell stories."""
    return f"Well then, this is the story with number {number:04}. It goes on for a while, as stories do."


@pytest.mark.parametrize(("text", "counted"), TALK)
def test_the_estimate_for_everyday_talk(text: str, counted: int) -> None:
    assert 0.5 <= counted / tokens(text) <= 1.2


@given(st.text())
def test_no_byte_level_tokenizer_makes_more_than_four_times_as_many(text: str) -> None:
    assert len(text.encode()) <= 4 * tokens(text)


@given(text=st.text(), limit=st.integers(0, 30))
def test_the_longest_beginning_that_fits(text: str, limit: int) -> None:
    cut = beginning(text, limit)
    assert text.startswith(cut)
    assert tokens(cut) <= limit
    assert cut == text or tokens(text[: len(cut) + 1]) > limit


@pytest.mark.slow
@given(TEXTS)
def test_within_the_budget_in_order_and_with_the_youngest(texts: list[str]) -> None:
    utterances = told(texts)
    now = recapped(utterances)
    verbatim = sum(tokens(each.text) + MESSAGE_TOKENS for each in now.verbatim)
    assert verbatim + (tokens(now.earlier) + MESSAGE_TOKENS if now.earlier else 0) <= RECAP_TOKENS
    last = len(utterances)
    assert [each.number for each in now.verbatim] == list(range(last - len(now.verbatim), last))
    youngest = now.verbatim[-1].text
    assert texts[-1] == youngest or texts[-1].startswith(youngest.removesuffix("…"))


@pytest.mark.slow
@given(TEXTS)
def test_what_is_told_is_the_beginning_of_what_is_told_next(texts: list[str]) -> None:
    """Except when there is no more room; then at least half of the room is made at once."""
    utterances = told(texts)
    before = recapped(utterances[:1])
    for end in range(2, len(utterances) + 1):
        now = recapped(utterances[:end])
        if now.verbatim[: len(before.verbatim)] == before.verbatim:
            assert now.earlier == before.earlier
        else:
            youngest = now.verbatim[-1]
            held = sum(tokens(each.text) + MESSAGE_TOKENS for each in (*before.verbatim, youngest))
            kept = sum(tokens(each.text) + MESSAGE_TOKENS for each in now.verbatim)
            assert held > VERBATIM_TOKENS
            assert kept <= KEPT_TOKENS or len(now.verbatim) == 1
        before = now


@pytest.mark.slow
def test_a_thousand_utterances_change_the_prefix_at_most_45_times() -> None:
    """Of 28 tokens each, and 5 as a message. A window that slides by one of them would make every prompt a cold one."""
    assert 20 <= changes(told([sentence(number) for number in range(1_000)])) <= 45


def test_forgetting_the_oldest_moves_no_border() -> None:
    """The history keeps the last 2,000: here the last 600."""
    utterances = told([sentence(number) for number in range(1_500)])
    for end in range(1_000, 1_500, 49):
        assert recapped(utterances[end - 600 : end]) == recapped(utterances[:end])


def test_the_beginning_is_one_line_of_first_sentences_the_oldest_of_which_go() -> None:
    now = recapped(told([sentence(number) for number in range(120)]))
    first = now.verbatim[0].number
    gists = now.earlier.removeprefix("Earlier: ").split(" / ")
    names = ["Anna", "Mimi"]
    wanted = [f"{names[at % 2]}: Well then, this is the story with number {at:04}." for at in range(first)]
    assert gists == wanted[-len(gists) :]
    assert EARLIER_TOKENS - 25 <= tokens(now.earlier) <= EARLIER_TOKENS


@pytest.mark.parametrize(
    ("text", "gist"),
    [
        ("One. Two.", "One."),
        ("Pi is 3.14 or so! Is it?", "Pi is 3.14 or so!"),
        ("… well, no", "… well, no"),
        ("昨日は海辺を散歩した。今日は？", "昨日は海辺を散歩した。"),
        ("two\nlines", "two lines"),
        ("😂😂", "😂😂"),
        ("on and on " * 20, "on and on " * 9 + "on and…"),
    ],
)
def test_of_an_older_utterance_its_first_sentence_or_its_beginning(text: str, gist: str) -> None:
    filler = [sentence(number) for number in range(60)]
    earlier = recapped(told([text, *filler])).earlier
    assert earlier.startswith("Earlier: ")
    only = [text, "x" * 5_900, "y" * 5_900]
    assert recapped(told(only)).earlier.split(" / ")[0] == f"Earlier: Anna: {gist}"


def test_an_utterance_longer_than_everything_that_may_be_told_is_cut() -> None:
    now = recapped(told(["hello", "猫" * 100_000]))
    assert [each.text for each in now.verbatim] == ["猫" * (VERBATIM_TOKENS - MESSAGE_TOKENS - 1) + "…"]
    assert now.earlier == "Earlier: Anna: hello"


def test_nothing_was_said() -> None:
    assert recapped([]) == Recap("", ())


def test_a_name_without_end_leaves_the_budget_as_it_is() -> None:
    utterances = told([sentence(number) for number in range(100)])
    earlier = recap(utterances, person="Anna" * 5_000, character="Mimi").earlier
    assert earlier == f"Earlier: Mimi: Well then, this is the story with number {71:04}."


def test_marks_stay_right_when_a_reply_turns_out_not_to_have_been_heard() -> None:
    history = History()
    history.add(Role.USER, "hi")
    reply = history.add(Role.ASSISTANT, "never heard")
    mark = history.mark
    history.add(Role.USER, "stop")
    history.cut(reply, "")
    history.add(Role.ASSISTANT, "yes?")
    assert [each.text for each in history.since(mark)] == ["stop", "yes?"]
    assert [each.text for each in history.context()] == ["hi", "stop", "yes?"]


def test_only_the_reply_that_was_cut_is_cut() -> None:
    history = History()
    numbers = [history.add(Role.ASSISTANT, "the same") for _ in range(3)]
    history.cut(numbers[1], "the")
    history.cut(history.add(Role.ASSISTANT, " "), "")
    assert [each.text for each in history] == ["the same", "the", "the same"]


def test_a_session_is_not_told_what_it_took_part_in() -> None:
    history = History()
    history.add(Role.USER, "before", by="a")
    mark = history.mark
    history.add(Role.USER, "to a", by="a")
    history.add(Role.ASSISTANT, "by b", by="b")
    history.add(Role.USER, "to nobody")
    assert [each.text for each in history.since(mark, unknown_to="a")] == ["by b", "to nobody"]
    assert [each.text for each in history.since(mark)] == ["to a", "by b", "to nobody"]


def test_a_fresh_context_tells_nothing_from_before_it() -> None:
    history = History()
    history.add(Role.USER, "before")
    history.mark_new()
    assert history.context() == ()
    history.add(Role.USER, "after")
    assert [each.text for each in history.context()] == ["after"]
    assert len(history) == 2
