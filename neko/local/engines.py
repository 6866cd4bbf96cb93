"""What the cascade needs of its engines; `neko.app` fills it in, tests fill in fakes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol, TypedDict

import trio
from attrs import frozen

from neko.local.errors import LocalError

HEARING_HZ = 16_000  # what detection and recognition listen at
SPEECH_HZ = 24_000  # what the Realtime protocol carries in both directions
DETECTOR_FRAME = 512  # samples at 16 kHz: the 32 ms that silero was trained on


class EngineError(LocalError):
    """An engine could not do this one piece of work; the next one may succeed."""


class ChatMessage(TypedDict):
    """One message of the OpenAI chat completions API."""

    role: Literal["system", "user", "assistant"]
    content: str


class Detector(Protocol):
    """Voice activity of one stream of sound; stateful, not shared, fast enough (0.2 ms) for the event loop."""

    def probability(self, frame: bytes) -> float:
        """How likely 512 samples of PCM16 mono at 16 kHz are speech, 0 to 1; frames must come in order."""
        ...


class Recogniser(Protocol):
    async def transcribe(self, pcm: bytes, language: str) -> str:
        """The words in PCM16 mono at 16 kHz, "" when there are none. On cancel it returns when the engine has.

        Raises:
            LocalError: this time it could not.
        """
        ...


class LanguageModel(Protocol):
    @property
    def reads_ahead(self) -> bool:
        """Whether what was said is to be read while nobody asks; elsewhere that might cost the user money."""
        ...

    def reply(self, messages: Sequence[ChatMessage]) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """The pieces of the model's next message, as generated. Leaving the context stops the generation.

        Raises:
            LocalError: on entering or from the iterator, when the model cannot go on.
        """
        ...

    async def read(self, messages: Sequence[ChatMessage]) -> None:
        """Returns when the model has read them, so that a reply to what they begin with comes soon.

        Others' replies go first. What was read before a cancel stays read. Raises `LocalError`.
        """
        ...


Speak = Callable[["trio.MemoryReceiveChannel[str]", "trio.MemorySendChannel[bytes]"], Awaitable[None]]
"""Speaks phrases until their channel ends, then closes both channels.

Sends PCM16 mono at 24 kHz in pieces of at most 100 ms. Called once for each phrase, so that it is known which sound
belongs to which words; a call must be cheap.
"""


@frozen
class Engines:
    """Everything one embedded conversation uses; shared by all conversations of the process."""

    new_detector: Callable[[], Detector]
    recogniser: Recogniser
    language_model: LanguageModel
    speak: Callable[[str], Speak]
    """A way to speak with the voice of that id."""
