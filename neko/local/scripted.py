"""A scripted persona that needs no model, for tests and demonstrations only; it says so in every reply."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from itertools import cycle

import numpy as np
import trio

from neko.local.engines import ChatMessage, Engines, Speak

HEARD = ("Hello, what is your name?", "Can you tell me a short story about the moon?", "I feel a little sad today.")
REPLIES = (
    "<happy> I am a scripted voice, there is no model behind me. It is nice to hear you!",
    "<calm> I am still only a script, so every story of mine is this one. The moon rose, and it was beautiful.",
    "<calm> A script cannot feel, but it can listen. Please tell me more.",
)
SPEECH_RMS = 0.01  # of full scale: above the noise of a quiet room, below a soft voice


class EnergyDetector:
    """Takes whatever is loud for speech."""

    def probability(self, frame: bytes) -> float:
        samples = np.frombuffer(frame, dtype="<i2").astype(np.float32) / 32768
        return float(np.sqrt(np.square(samples).mean()) > SPEECH_RMS)


class ScriptedRecogniser:
    """Hears the same lines in turn, whatever was said; silence is no words, as with a real one."""

    def __init__(self, lines: Sequence[str] = HEARD) -> None:
        self._lines = cycle(lines)

    async def transcribe(self, pcm: bytes, language: str) -> str:  # noqa: ARG002
        await trio.lowlevel.checkpoint()
        return next(self._lines) if EnergyDetector().probability(pcm) else ""


class ScriptedModel:
    """Answers the n-th user message with its n-th reply, word by word, whatever was said."""

    reads_ahead = False

    def __init__(self, replies: Sequence[str] = REPLIES) -> None:
        self._replies = replies

    def reply(self, messages: Sequence[ChatMessage]) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        asked = sum(message["role"] == "user" for message in messages)
        return aclosing(_word_by_word(self._replies[(asked - 1) % len(self._replies)]))

    async def read(self, messages: Sequence[ChatMessage]) -> None:  # noqa: ARG002 - it never reads anything
        await trio.lowlevel.checkpoint()


async def _word_by_word(text: str) -> AsyncGenerator[str, None]:
    first, *others = text.split(" ")
    yield first
    for word in others:
        await trio.lowlevel.checkpoint()
        yield f" {word}"


def scripted_engines(speak: Callable[[str], Speak]) -> Engines:
    """Engines without any model installed; `speak` is best the tone voice of `neko.tts`."""
    return Engines(
        new_detector=EnergyDetector, recogniser=ScriptedRecogniser(), language_model=ScriptedModel(), speak=speak
    )
