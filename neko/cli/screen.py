"""A conversation as lines on a terminal: answers grow on stdout, news go to stderr."""

from __future__ import annotations

import click

from neko.protocol.errors import StatusCode
from neko.protocol.server import (
    AgentNotification,
    ReplyText,
    ServerMessage,
    Status,
    Translation,
    TurnEnd,
    UserTranscript,
)

# What we asked for ourselves is no news.
_EXPECTED = frozenset({StatusCode.CHARACTER_LEFT})


class Screen:
    """Shows the messages of one connection in the order in which they come."""

    def __init__(self, character: str) -> None:
        self._character = character
        self._in_line = False  # whether the cursor stands behind an unfinished answer

    def show(self, message: ServerMessage) -> None:
        """Prints what a person wants to read of `message`; most messages print nothing."""
        match message:
            case ReplyText(text):
                start = "" if self._in_line else f"{self._character}: "
                click.echo(start + text, nl=False)
                self._in_line = True
            case TurnEnd(interrupted=interrupted):
                self._end_line("…" if interrupted else "")
            case UserTranscript(text):
                self._line(f"you: {text}")
            case Translation(text, language):
                self._line(f"({language}) {text}")
            case AgentNotification(text, source):
                self._line(f"[{source}] {text}")
            case Status(code, details) if code not in _EXPECTED:
                self.note(details)
            case _:
                pass

    def note(self, sentence: str) -> None:
        """A sentence about the conversation, not of it."""
        self._end_line()
        click.echo(sentence, err=True)

    def _line(self, text: str) -> None:
        self._end_line()
        click.echo(text)

    def _end_line(self, rest: str = "") -> None:
        if self._in_line:
            click.echo(rest)
        self._in_line = False
