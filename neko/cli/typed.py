"""A typed conversation: a line of the person, the answer, the next line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
import trio

from neko.cli.keyboard import typed_lines
from neko.cli.start import start_session
from neko.client import Answer, SessionEnded, TurnRefused
from neko.protocol.client import InputType

if TYPE_CHECKING:
    from neko.cli.screen import Screen
    from neko.client import CharacterClient
    from neko.protocol.server import ServerMessage


class TypedConversation:
    """One person at a keyboard. What the character says of its own accord is shown whenever it comes."""

    def __init__(self, client: CharacterClient, screen: Screen) -> None:
        self._client = client
        self._screen = screen
        self._awaited: Answer | None = None
        # One answer is awaited at a time.
        self._send_answered, self._answered = trio.open_memory_channel[None](1)

    async def run(self) -> None:
        """Until stdin ends and its last line is answered. Raises `ClientError` when the server ends it before."""
        await start_session(self._client, InputType.TEXT)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen)
            _prompt()
            async for line in typed_lines():
                await self._ask(line)
                _prompt()
            nursery.cancel_scope.cancel()

    async def _ask(self, line: str) -> None:
        self._awaited = Answer()
        await self._client.send_text(line)
        # The next line waits: it would interrupt this answer, and piped lines come all at once.
        await self._answered.receive()

    async def _listen(self) -> None:
        async for message in self._client:
            self._screen.show(message)
            if self._awaited is not None and _is_over(self._awaited, message):
                self._awaited = None
                self._send_answered.send_nowait(None)
        raise SessionEnded("the server ended the conversation")


def _is_over(answer: Answer, message: ServerMessage) -> bool:
    try:
        return answer.take(message, trio.current_time()) is not None
    except TurnRefused:
        return True  # the screen has shown why


def _prompt() -> None:
    if sys.stdin.isatty():
        click.echo("> ", nl=False)
