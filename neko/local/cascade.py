"""From a prompt to an answer: the language model, and behind it the voice, phrase by phrase."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from neko.conversation.phrases import Phrase, PhraseSplitter
from neko.local.beats import Beat, Broke, Sound, Told, Written
from neko.local.engines import ChatMessage, Engines, LanguageModel, Speak
from neko.local.errors import LocalError

# Phrases. Full: the model waits for the voice, which is so much faster that it seldom happens.
PHRASES_AHEAD = 8


async def write_answer(
    model: LanguageModel, prompt: Sequence[ChatMessage], beats: trio.MemorySendChannel[Beat]
) -> None:
    """The answer as text, as it is generated. Closes `beats`; an engine that fails is its last beat."""
    async with beats:
        try:
            async with model.reply(prompt) as pieces:
                async for piece in pieces:
                    await beats.send(Written(piece))
        except* LocalError as broken:
            await beats.send(Broke(_first(broken)))


async def speak_answer(
    engines: Engines, voice: str, prompt: Sequence[ChatMessage], beats: trio.MemorySendChannel[Beat]
) -> None:
    """The answer as speech: each phrase told when its sound is there. Closes `beats`, as `write_answer` does."""
    async with beats:
        try:
            speak = engines.speak(voice)
            async with trio.open_nursery() as nursery:
                spoken, phrases = trio.open_memory_channel[Phrase](PHRASES_AHEAD)
                nursery.start_soon(_phrase, engines.language_model, prompt, spoken)
                async with phrases:
                    async for phrase in phrases:
                        await _say(speak, phrase, beats)
        except* LocalError as broken:
            await beats.send(Broke(_first(broken)))


async def _phrase(model: LanguageModel, prompt: Sequence[ChatMessage], phrases: trio.MemorySendChannel[Phrase]) -> None:
    splitter = PhraseSplitter()
    async with phrases, model.reply(prompt) as pieces:
        async for piece in pieces:
            for phrase in splitter.push(piece):
                await phrases.send(phrase)
        for phrase in splitter.finish():
            await phrases.send(phrase)


async def _say(speak: Speak, phrase: Phrase, beats: trio.MemorySendChannel[Beat]) -> None:
    """One call of the voice for each phrase: so it is known which sound belongs to which words."""
    if not phrase.spoken:
        await beats.send(Told(phrase.text))
        return
    async with trio.open_nursery() as nursery:
        texts, text = trio.open_memory_channel[str](1)
        sound, pieces = trio.open_memory_channel[bytes](0)
        texts.send_nowait(phrase.spoken)
        texts.close()
        nursery.start_soon(speak, text, sound)
        async with pieces:
            # The words with their first sound, not before it: a phrase cut off before that was never said.
            first = await anext(pieces, b"")
            await beats.send(Told(phrase.text))
            if first:
                await beats.send(Sound(first))
            async for pcm in pieces:
                await beats.send(Sound(pcm))


def _first(broken: BaseExceptionGroup[LocalError]) -> str:
    error: BaseException = broken
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)
