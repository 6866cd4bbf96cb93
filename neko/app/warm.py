"""Engines that answer at once, and the place that each conversation has in the language model's memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from attrs import evolve, frozen

from neko.local.engines import ChatMessage, EngineError, Engines
from neko.local.llama_process import SLOTS
from neko.realtime.chat import ChatModel
from neko.realtime.errors import ProviderError
from neko.realtime.omni_offline import Replies
from neko.telemetry import get_logger
from neko.tts.worker import TtsWorker

log = get_logger("embedded")


@frozen
class Warm:
    """Engines that answer at once."""

    engines: Engines
    chat: Replies
    voice: TtsWorker
    places: Places | None = None

    @contextmanager
    def for_conversation(self) -> Iterator[Warm]:
        """The engines for one conversation, which has a place of its own in the language model's memory.

        Without one, a question that comes while the prompt is still being read would go to another place, where all of
        the prompt has to be read again: seconds instead of a tenth of one.
        """
        if self.places is None:
            yield self
        else:
            with self.places.take() as chat:
                yield Warm(evolve(self.engines, language_model=LocalLanguageModel(chat)), chat, self.voice)


class Places:
    """The slots of the language model's server, each with the prompt that it has read last."""

    def __init__(self, chat: ChatModel) -> None:
        self._chat = chat
        self._taken: Counter[int] = Counter()

    @contextmanager
    def take(self) -> Iterator[ChatModel]:
        """The first free one, which is the one that has read most; the least taken one when none is free."""
        slot = min(range(SLOTS), key=lambda each: self._taken[each])
        self._taken[slot] += 1
        try:
            yield self._chat.with_options(id_slot=slot)
        finally:
            self._taken[slot] -= 1

    async def read(self, prompt: Sequence[ChatMessage]) -> None:
        """Has the first place read a prompt, before somebody takes it: 4 s that a first start need not take.

        Whoever takes it meanwhile waits for the rest of that, and not for all of it.
        """
        try:
            async with self._chat.with_options(id_slot=0).reply(prompt) as pieces:
                await anext(pieces, None)
        except ProviderError as error:
            log.warning("prompt.cold", details=error.details)


@frozen
class LocalLanguageModel:
    """The chat endpoint as the cascade knows it."""

    chat: ChatModel

    @asynccontextmanager
    async def reply(self, messages: Sequence[ChatMessage]) -> AsyncIterator[AsyncIterator[str]]:
        try:
            async with self.chat.reply(messages) as pieces:
                yield pieces
        except ProviderError as error:
            raise EngineError(error.details) from error
