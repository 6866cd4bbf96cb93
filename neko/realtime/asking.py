"""One question to a chat model: asked again as long as nothing has come of it and that may help."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Protocol

import trio
from attrs import define, field, frozen

from neko.conversation.backoff import Backoff
from neko.realtime.chat import ChatModel
from neko.realtime.chat_calls import Call
from neko.realtime.errors import ProviderError
from neko.realtime.session import Tool
from neko.telemetry import get_logger

log = get_logger("text")

Tell = Callable[[str, str], Awaitable[bool]]
"""Takes a piece of a reply, and all of its words so far; False: that is enough of it."""


class Replies(Protocol):
    """Who answers in a text session."""

    def reply(self, messages: Sequence[Any]) -> AbstractAsyncContextManager[AsyncIterator[str | Call]]:
        """The pieces of the next message, then the tools that it asks for; raises `ProviderError`."""
        ...


@frozen
class WithTools:
    """A chat model that may use these tools."""

    chat: ChatModel
    tools: Sequence[Tool]

    def reply(self, messages: Sequence[Any]) -> AbstractAsyncContextManager[AsyncIterator[str | Call]]:
        return self.chat.answer(messages, self.tools)


@frozen
class Tries:
    """How often a question is asked, with which pauses, and for how long at the most."""

    most: int
    within_s: float
    backoff: Callable[[], Backoff]


# An endpoint that restarts is back in a second or two, a rate limit of one request a second is over as soon. Whoever
# typed waits meanwhile: what asks for a longer pause is told at once.
TRIES = Tries(4, 10.0, partial(Backoff, 0.5, 4.0))
ONCE = Tries(1, 0.0, partial(Backoff, 0.0, 0.0))


@define
class Said:
    """What has come of a question."""

    words: str = ""
    calls: list[Call] = field(factory=list)


async def ask(model: Replies, messages: Sequence[Any], tries: Tries, tell: Tell) -> Said:
    """The whole answer, each piece told as it comes, or as much of it as is wanted.

    Raises `ProviderError`: what fails after the first piece is not asked again, nor what another try does not help.
    """
    backoff, give_up_at = tries.backoff(), trio.current_time() + tries.within_s
    left = tries.most
    while True:
        said, left = Said(), left - 1
        try:
            await _ask_once(model, messages, said, tell)
        except ProviderError as error:
            pause_s = backoff.next_s(error.retry_after_s)
            begun = said.words or said.calls
            if begun or not error.passing or not left or trio.current_time() + pause_s > give_up_at:
                raise
            log.info("text.again", code=error.code, in_s=round(pause_s, 1))
            await trio.sleep(pause_s)
        else:
            return said


async def _ask_once(model: Replies, messages: Sequence[Any], said: Said, tell: Tell) -> None:
    async with model.reply(messages) as pieces:
        async for piece in pieces:
            if isinstance(piece, Call):
                said.calls.append(piece)
                continue
            said.words += piece
            if not await tell(piece, said.words):
                return
