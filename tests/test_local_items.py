"""The prompt grows at its end only, and is halved when it outgrows its slot."""

from __future__ import annotations

import pytest

from neko.local.engines import ChatMessage
from neko.local.items import PROMPT_TOKENS, Entry, Items, created, message_tokens
from neko.protocol.realtime.content import ContentPart, ContentType, MessageItem, Role
from neko.protocol.realtime.errors import InvalidRequest


def message(role: Role, text: str, item_id: str) -> Entry:
    return created(MessageItem(role, (ContentPart(ContentType.TEXT, text),), item_id), "unused")


def spoken(*phrases: tuple[str, float]) -> Entry:
    entry = Entry("item_a", Role.ASSISTANT, [ContentPart(ContentType.OUTPUT_AUDIO, transcript="")])
    for text, ms in phrases:
        entry.tell(text)
        entry.playout.told(text)
        entry.playout.sent(ms, 0.0)
    return entry


def talk(items: Items, exchanges: int, begin: int = 0, letters: int = 300) -> list[list[ChatMessage]]:
    prompts = []
    for n in range(begin, begin + exchanges):
        items.add(message(Role.USER, f"question {n} " + letters * "x", f"u{n}"))
        items.add(message(Role.ASSISTANT, f"answer {n} " + letters * "y", f"a{n}"))
        prompts.append(items.prompt())
    return prompts


def test_the_prompt_is_append_only_and_seldom_shortened() -> None:
    items = Items()
    items.instructions = "You are Yui."
    items.add(message(Role.SYSTEM, "A recap.", "recap"))
    prompts = talk(items, 60)
    cold = [n for n in range(1, 60) if prompts[n][: len(prompts[n - 1])] != prompts[n - 1]]
    assert 2 <= len(cold) <= 60 // 5
    for prompt in prompts:
        assert prompt[:2] == [
            {"role": "system", "content": "You are Yui."},
            {"role": "system", "content": "A recap."},
        ]
        assert prompt[2]["role"] == "user"
        assert sum(message_tokens(line["content"]) for line in prompt) <= PROMPT_TOKENS
    assert prompts[-1][-1]["content"].startswith("answer 59")


def test_one_message_that_is_too_long_leaves_the_newest() -> None:
    items = Items()
    items.add(message(Role.USER, "x" * 20_000, "u1"))
    items.add(message(Role.USER, "short", "u2"))
    assert [line["content"] for line in items.prompt()] == ["short"]


def test_order() -> None:
    items = Items()
    items.add(message(Role.USER, "b", "b"))
    items.add(message(Role.USER, "a", "a"), "root")
    items.add(message(Role.USER, "ab", "ab"), "a")
    assert [line["content"] for line in items.prompt()] == ["a", "ab", "b"]
    with pytest.raises(InvalidRequest):
        items.add(message(Role.USER, "c", "c"), "nowhere")
    with pytest.raises(InvalidRequest):
        items.add(message(Role.USER, "a again", "a"))


def test_what_one_response_only_adds_comes_last() -> None:
    items = Items()
    items.instructions = "You are Yui."
    items.add(message(Role.USER, "hi", "u"))
    system = [{"role": "system", "content": "You are Yui."}]
    user = [{"role": "user", "content": "hi"}]
    assert items.prompt("You are Yui. Be brief.") == [*system, *user, {"role": "system", "content": "Be brief."}]
    assert items.prompt("You are Mimi.") == [{"role": "system", "content": "You are Mimi."}, *user]


@pytest.mark.parametrize(
    ("heard_ms", "words"),
    [
        (0, ""),
        (400, "Hello there,"),
        (650, "Hello there, my"),
        (1000, "Hello there, my good friend."),
        (1001, "Hello there, my good friend."),
    ],
)
def test_a_cut_answer_keeps_what_was_heard(heard_ms: int, words: str) -> None:
    entry = spoken(("Hello there,", 400.0), (" my good friend.", 600.0))
    entry.cut(heard_ms)
    assert entry.words == words


def test_more_than_was_said_cannot_have_been_heard() -> None:
    with pytest.raises(InvalidRequest):
        spoken(("Hello", 400.0)).cut(500)
