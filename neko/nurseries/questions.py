"""What a model session is asked, and what becomes of that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import assert_never

from attrs import frozen

from neko.conversation.callbacks import Callback
from neko.realtime.session import GoOn, Line, Say, Tell, ToolResult

Question = Say | Tell | GoOn | ToolResult
"""What asks for a reply."""


@frozen
class Settled:
    """These were answered, or never will be."""

    questions: tuple[Question, ...]
    answered: bool
    refused: bool = False  # the reply that begins is not wanted
    news: tuple[Callback, ...] = ()  # the results of agents among them, and those that came along


def news_in(questions: Iterable[Question]) -> tuple[Callback, ...]:
    return tuple(each.news for each in questions if isinstance(each, Tell) and each.news is not None)


def in_words(questions: Sequence[Question]) -> list[Line]:
    """As lines that ask for nothing; what a tool has given is for the session that called it, and has no words here."""
    lines = map(_line, questions)
    return [line for line in lines if line is not None]


def _line(asked: Question) -> Line | None:
    match asked:
        case Say(text):
            return Line("user", text)
        case Tell(instructions):
            return Line("system", instructions)
        case GoOn() | ToolResult():
            return None
        case _:
            assert_never(asked)
