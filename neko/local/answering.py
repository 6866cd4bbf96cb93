"""How a turn is taken: recognised, answered, and told to the client once it is certain."""

from __future__ import annotations

import trio

from neko.audio.pcm import duration_ms
from neko.local.beats import BEATS_AHEAD, Beat, Broke
from neko.local.cascade import speak_answer, write_answer
from neko.local.engines import HEARING_HZ, ChatMessage, Engines
from neko.local.errors import LocalError
from neko.local.items import Items, message_tokens
from neko.local.outbox import Outbox
from neko.local.telling import Telling, engine_error
from neko.local.turns import Turn, Utterance
from neko.local.warmth import Warmth
from neko.protocol.realtime.client import ResponseOptions
from neko.protocol.realtime.identity import new_id
from neko.protocol.realtime.response import Response, ResponseAudio, ResponseStatus
from neko.protocol.realtime.server import (
    Heard,
    ServerEvent,
    TranscriptionCompleted,
    TranscriptionDelta,
    TranscriptionFailed,
)
from neko.protocol.realtime.session import Modality, Session


class Answering:
    """Takes the turns of one conversation; several may be under way, each waits for the one before it to answer."""

    def __init__(self, engines: Engines, items: Items, outbox: Outbox, warmth: Warmth, session: Session) -> None:
        self._engines = engines
        self._items = items
        self._outbox = outbox
        self._warmth = warmth
        self.session = session
        """What the next answer follows; the owner replaces it."""
        self._conversation_id = new_id("conv")

    async def run(self, turn: Turn) -> None:
        """Listens, tells what was heard once the turn is certain, and answers. On cancel nothing of it stays."""
        broken = await self._recognise(turn.utterance) if turn.utterance else None
        async with trio.open_nursery() as nursery:
            if turn.answer is not None and (turn.utterance is None or turn.utterance.entry.words or broken):
                nursery.start_soon(self._answer, turn, turn.answer, broken)
            await turn.certain.wait()
            if turn.utterance is not None:
                await self._outbox.send(_heard(turn.utterance, broken, owes_answer=turn.answer is not None))
            turn.heard.set()

    async def _recognise(self, utterance: Utterance) -> Broke | None:
        try:
            words = await self._engines.recogniser.transcribe(utterance.pcm, utterance.language)
        except LocalError as error:
            return Broke(str(error))
        utterance.entry.tell(words.strip())
        return None

    async def _answer(self, turn: Turn, options: ResponseOptions, broken: Broke | None) -> None:
        response = self._response(turn, options)
        telling = Telling(self._outbox, self._items, response)
        prompt: list[ChatMessage] = []
        with turn.speaking:
            await turn.after.wait()
            self._warmth.leave()
            prompt = self._items.prompt(options.instructions, turn.utterance.entry if turn.utterance else None)
            await self._perform(turn, prompt, response, telling, broken)
        if telling.begun or turn.utterance is None:
            cut_by = turn.cut_by if turn.speaking.cancelled_caught else None
            await telling.end(cut_by, sum(message_tokens(message["content"]) for message in prompt))
        if self._engines.language_model.reads_ahead:
            self._warmth.refresh()

    async def _perform(
        self, turn: Turn, prompt: list[ChatMessage], response: Response, telling: Telling, broken: Broke | None
    ) -> None:
        async with trio.open_nursery() as nursery:
            made, beats = trio.open_memory_channel[Beat](BEATS_AHEAD)
            nursery.start_soon(self._make, response, prompt, made, broken)
            await turn.heard.wait()
            await telling.begin()
            async with beats:
                async for beat in beats:
                    await telling.tell(beat)

    async def _make(
        self,
        response: Response,
        prompt: list[ChatMessage],
        made: trio.MemorySendChannel[Beat],
        broken: Broke | None,
    ) -> None:
        if broken is not None:
            async with made:
                await made.send(broken)
        elif response.output_modalities[0] is Modality.AUDIO:
            await speak_answer(self._engines, response.audio.output.voice, prompt, made)
        else:
            await write_answer(self._engines.language_model, prompt, made)

    def _response(self, turn: Turn, options: ResponseOptions) -> Response:
        return Response(
            id=turn.response_id,
            conversation_id=self._conversation_id,
            status=ResponseStatus.IN_PROGRESS,
            output_modalities=options.output_modalities or self.session.output_modalities,
            audio=ResponseAudio(self.session.audio.output),
            metadata=options.metadata,
        )


def _heard(utterance: Utterance, broken: Broke | None, *, owes_answer: bool) -> tuple[ServerEvent, ...]:
    """What the client is told of a recognition; a failure is complained of once, by the answer if one is owed."""
    item_id, words = utterance.entry.id, utterance.entry.words
    if broken is not None:
        error = engine_error(broken.message)
        failed = TranscriptionFailed(item_id, error.error)
        return (failed,) if owes_answer else (failed, error)
    completed = TranscriptionCompleted(item_id, words, Heard(duration_ms(utterance.pcm, HEARING_HZ) / 1000))
    return (TranscriptionDelta(item_id, words), completed) if words else (completed,)
