"""Engines that answer at once, as one session after the other is given them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from attrs import evolve, frozen

from neko.app.places import Places, Seat
from neko.app.precedence import Answering
from neko.local.engines import ChatMessage, EngineError, Engines
from neko.realtime.asking import Replies
from neko.realtime.errors import ProviderError
from neko.translation.with_model import Ask
from neko.tts.worker import TtsWorker


@frozen
class Warm:
    """Engines that answer at once."""

    engines: Engines
    chat: Replies
    voice: TtsWorker
    places: Places | None = None
    ask: Ask | None = None  # beside the conversations; None where no model is

    @contextmanager
    def for_conversation(self) -> Iterator[Warm]:
        """The engines for one session, which has a seat in the language model's memory.

        Without one, a question that comes while the prompt is still being read would go to another place, where all of
        the prompt has to be read again: seconds instead of a tenth of one.
        """
        if self.places is None:
            yield self
        else:
            with self.places.take() as seat:
                yield Warm(evolve(self.engines, language_model=LocalLanguageModel(seat)), seat, self.voice)


@frozen
class LocalLanguageModel:
    """A seat, or an endpoint of the user's, as the cascade knows it."""

    chat: Seat | Answering[str]

    @property
    def reads_ahead(self) -> bool:
        return isinstance(self.chat, Seat)

    @asynccontextmanager
    async def reply(self, messages: Sequence[ChatMessage]) -> AsyncIterator[AsyncIterator[str]]:
        with _as_engine_error():
            async with self.chat.reply(messages) as pieces:
                yield pieces

    async def read(self, messages: Sequence[ChatMessage]) -> None:
        with _as_engine_error():
            if isinstance(self.chat, Seat):
                await self.chat.read(messages)
            else:
                async with self.chat.reply(messages) as pieces:
                    await anext(pieces, None)


@contextmanager
def _as_engine_error() -> Iterator[None]:
    try:
        yield
    except ProviderError as error:
        raise EngineError(error.details) from error
