"""What a chat model is sent: within its context, each call with its result, the latest question always there."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from neko.conversation.context import AT_WORK, PICTURES, ChatContext, message_tokens

PICTURE = "data:image/png;base64,AAAA"
WORDS = st.integers(1, 60).map(lambda count: "word " * count)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("user"), WORDS),
        st.tuples(st.just("assistant"), WORDS),
        st.tuples(st.just("system"), WORDS),
        st.tuples(st.just("picture"), st.just("")),
        st.tuples(st.just("tools"), st.sampled_from(["", "a", "b", "ab", "ba"])),  # those that have answered
    ),
    max_size=30,
)


def played(steps: list[tuple[str, str]], room_tokens: int | None = None) -> ChatContext:
    context = ChatContext("You are Mimi.", room_tokens)
    for number, (kind, said) in enumerate(steps):
        match kind:
            case "picture":
                context.show(PICTURE)
            case "tools":
                context.answer("", [(f"a{number}", "weather", "{}"), (f"b{number}", "time", "{}")])
                for name in said:
                    assert context.result(f"{name}{number}", f"result of {name}")
            case role:
                context.say(role, said)
    return context


def size(messages: tuple[dict[str, Any], ...]) -> int:
    return sum(map(message_tokens, messages))


@given(STEPS)
def test_every_call_has_its_result_behind_it_in_order(steps: list[tuple[str, str]]) -> None:
    for context in (played(steps), played(steps, 200)):
        messages = list(context.prompt())
        while messages:
            message = messages.pop(0)
            assert message["role"] != "tool"
            for call in message.get("tool_calls", ()):
                result = messages.pop(0)
                assert (result["role"], result["tool_call_id"]) == ("tool", call["id"])


@given(STEPS, st.integers(100, 1_500))
def test_the_instructions_and_the_latest_question_stay(steps: list[tuple[str, str]], room_tokens: int) -> None:
    whole, trimmed = played(steps).prompt(), played(steps, room_tokens).prompt()
    assert trimmed[0] == whole[0] == {"role": "system", "content": "You are Mimi."}
    assert trimmed[1:] == whole[len(whole) - len(trimmed) + 1 :]
    latest = [index for index, message in enumerate(whole) if message["role"] == "user"]
    if latest:
        assert whole[latest[-1]] in trimmed


@given(STEPS, st.integers(100, 1_500))
def test_what_can_be_trimmed_is(steps: list[tuple[str, str]], room_tokens: int) -> None:
    trimmed = played(steps, room_tokens).prompt()
    begins = [index for index, each in enumerate(trimmed) if each["role"] != "tool"]
    asked = [index for index in begins if trimmed[index]["role"] == "user"]
    # Nothing is left that stands before the latest question, or else before the last of what was said.
    assert size(trimmed) <= room_tokens or max(asked or begins) <= 1


@given(STEPS)
def test_what_fits_is_left_alone(steps: list[tuple[str, str]]) -> None:
    whole = played(steps).prompt()
    assert played(steps, size(whole)).prompt() == whole


@given(STEPS)
def test_there_are_never_many_pictures(steps: list[tuple[str, str]]) -> None:
    assert sum(isinstance(each["content"], list) for each in played(steps).prompt()) <= PICTURES


def test_a_call_without_a_result_is_said_to_be_at_work() -> None:
    context = played([("user", "Rain?"), ("tools", "a"), ("user", "Well?")])
    assert [each["content"] for each in context.prompt()[2:]] == [None, "result of a", AT_WORK, "Well?"]


def test_a_result_of_what_was_trimmed_has_no_place() -> None:
    context = played([("tools", ""), *[("user", "word " * 50)] * 10], 100)
    context.prompt()
    assert not context.result("a0", "too late")


def test_an_answer_that_was_cut_short_is_what_was_heard() -> None:
    context = ChatContext("You are Mimi.")
    answer = context.answer("One two three.")
    context.heard_only(answer, "One two")
    assert [each["content"] for each in context.prompt()[1:]] == ["One two"]
    asking = context.answer("Let me look.", [("c", "weather", "{}")])
    context.heard_only(asking, "Let me")
    assert [each["content"] for each in context.prompt()[1:]] == ["One two", "Let me", AT_WORK]


def test_instructions_that_are_longer_than_the_context_are_sent_all_the_same() -> None:
    context = ChatContext("word " * 500, 100)
    assert len(context.prompt()) == 1
    context.say("user", "Hello?")
    assert context.prompt()[-1]["content"] == "Hello?"
