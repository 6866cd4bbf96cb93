"""Answers go first: whatever else is asked of a model waits for them, and makes way when one is wanted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Generic, Protocol, TypeVar

import trio
from attrs import Factory, frozen

from neko.local.engines import ChatMessage
from neko.nurseries.lull import Lull
from neko.realtime.chat import ChatModel

Messages = tuple[ChatMessage, ...]
Piece_co = TypeVar("Piece_co", covariant=True)


class Precedence:
    """Of one model, or of what one conversation asks of it."""

    def __init__(self) -> None:
        self._answers = Lull()
        self._others: set[trio.CancelScope] = set()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Nothing else goes on meanwhile: it would halve the speed of the answer."""
        with self._answers.hurry():
            for other in self._others:
                other.cancel()
            yield

    async def quiet(self) -> None:
        """Returns when nobody is being answered."""
        await self._answers.wait()

    @contextmanager
    def making_way(self) -> Iterator[None]:
        """The body is cancelled when somebody is to be answered."""
        with trio.CancelScope() as scope:
            self._others.add(scope)
            try:
                yield
            finally:
                self._others.discard(scope)


class Answers(Protocol[Piece_co]):
    def reply(self, messages: Sequence[Any]) -> AbstractAsyncContextManager[AsyncIterator[Piece_co]]: ...


@frozen
class Answering(Generic[Piece_co]):
    """A model whose replies are answers; `aside` is the same one for what else is asked of it."""

    model: Answers[Piece_co]
    aside: ChatModel
    precedence: Precedence = Factory(Precedence)

    @asynccontextmanager
    async def reply(self, messages: Sequence[Any]) -> AsyncIterator[AsyncIterator[Piece_co]]:
        """As the model's own."""
        with self.precedence.answering():
            async with self.model.reply(messages) as pieces:
                yield pieces

    async def ask(self, instructions: str, text: str, longest: int) -> str:
        """As `ask_aside`."""
        return await ask_aside(self.aside, self.precedence, question(instructions, text), longest)


def question(instructions: str, text: str) -> Messages:
    """All that a model is told which knows nothing of the conversation."""
    return (ChatMessage(role="system", content=instructions), ChatMessage(role="user", content=text))


async def ask_aside(chat: ChatModel, precedence: Precedence, messages: Messages, longest: int) -> str:
    """What the model says to that, no more than so many characters of it, once nobody is being answered.

    It begins anew after each answer that comes between: the caller's deadline decides. Raises `ProviderError`.
    """
    while True:
        await precedence.quiet()
        with precedence.making_way():
            said = ""
            async with chat.reply(messages) as pieces:
                async for piece in pieces:
                    said += piece
                    if len(said) >= longest:
                        break
            return said[:longest]
