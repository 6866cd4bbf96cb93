"""The embedded provider's engines, from cold to warm, and again when their process dies."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import trio
from attrs import evolve, frozen

from neko.config.model import Provider
from neko.local.detection import SileroDetectors
from neko.local.engine import language_model_process, require_engine
from neko.local.engines import ChatMessage, EngineError, Engines, Speak
from neko.local.errors import LocalError, NoSuchWeights
from neko.local.installed import best_language_model
from neko.local.llama_process import SLOTS
from neko.local.models import WHISPER_TINY_EN
from neko.local.recognition import WhisperRecogniser
from neko.local.scripted import ScriptedModel, scripted_engines
from neko.local.weights import prepare
from neko.realtime.chat import ChatEndpoint, ChatModel, open_chat
from neko.realtime.errors import NotReady, ProviderError
from neko.realtime.omni_offline import Replies
from neko.telemetry import get_logger
from neko.tts.errors import VoiceError
from neko.tts.thread import speaker
from neko.tts.voice import warm
from neko.tts.worker import TtsWorker, get_tts_worker

log = get_logger("embedded")

SCRIPTED = "scripted"
# 0.7 keeps a small model from repeating itself; 160 tokens are half a minute of speech.
REPLY = {"temperature": 0.7, "max_tokens": 160, "cache_prompt": True}

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, how much there is."""


@frozen
class Warm:
    """Engines that answer at once."""

    engines: Engines
    chat: Replies
    voice: TtsWorker
    per_conversation: Callable[[], ChatModel] | None = None

    def for_conversation(self) -> Warm:
        """The engines for one conversation, which has a place of its own in the language model's memory.

        Without one, a question that comes while the prompt is still being read would go to another place, where all of
        the prompt has to be read again: seconds instead of a tenth of one.
        """
        if self.per_conversation is None:
            return self
        chat = self.per_conversation()
        return Warm(evolve(self.engines, language_model=LocalLanguageModel(chat)), chat, self.voice)


@frozen
class Broken:
    """They cannot be had; `why` says what to do."""

    why: str


class Embedded:
    """The engines of one process. `run` owns them; everybody else asks `warm`."""

    def __init__(self, provider: Provider, voices: trio.CapacityLimiter) -> None:
        self._provider = provider
        self._voices = voices
        self._state: Warm | Broken | None = None
        self._known = trio.Event()

    @property
    def state(self) -> Warm | Broken | None:
        """None while they are warming up."""
        return self._state

    async def warm(self) -> Warm:
        """The engines as soon as they are warm. Raises `NotReady` when they cannot be had."""
        await self._known.wait()
        match self._state:
            case Warm() as warm_engines:
                return warm_engines
            case Broken(why):
                raise NotReady(why)
            case None:
                raise NotReady("the embedded model is being started again; try again in a moment")

    async def run(self, on_progress: Progress) -> None:
        """Keeps the engines running until cancelled; gives up on engines that never came up."""
        while True:
            try:
                async with open_engines(self._provider, self._voices, on_progress) as engines:
                    self._state = engines
                    self._known.set()
                    log.info("engines.warm")
                    await trio.sleep_forever()
            except* Exception as group:  # native engines raise what they like; the house stands without them
                why = "; ".join(str(error) for error in _leaves(group))
                log.error("engines.failed", details=why, exc_info=not _is_known(group))
                self._state = None if isinstance(self._state, Warm) else Broken(why)
            if isinstance(self._state, Broken):
                self._known.set()
                return


@asynccontextmanager
async def open_engines(provider: Provider, voices: trio.CapacityLimiter, on_progress: Progress) -> AsyncIterator[Warm]:
    """Warm engines; everything they started ends with the context.

    Raises:
        LocalError: a model is missing, is not what it should be, or does not run here.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # some engines would ask a hub for what is installed
    if provider.model == SCRIPTED:
        voice = get_tts_worker("tone")
        engines = scripted_engines(_speaker(voice, voices))
        yield Warm(engines, ScriptedModel(), voice)
        return
    voice = get_tts_worker("embedded")
    async with AsyncExitStack() as stack:
        senses = await _load_senses(voice, on_progress)
        endpoint = await _language_model(provider, stack, on_progress)
        chat = await stack.enter_async_context(open_chat(endpoint))
        model = LocalLanguageModel(chat)
        engines = Engines(senses.detectors, senses.recogniser, model, _speaker(voice, voices))
        places = cycle(range(SLOTS))
        own = not provider.url
        yield Warm(engines, chat, voice, (lambda: chat.with_options(id_slot=next(places))) if own else None)


def _speaker(worker: TtsWorker, voices: trio.CapacityLimiter) -> Callable[[str], Speak]:
    """The voices as the cascade knows them."""

    def with_voice(voice_id: str) -> Speak:
        try:
            return speaker(worker, voices)(voice_id)
        except VoiceError as error:
            raise EngineError(str(error)) from error

    return with_voice


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


@frozen
class Senses:
    detectors: SileroDetectors
    recogniser: WhisperRecogniser


async def _load_senses(voice: TtsWorker, on_progress: Progress) -> Senses:
    whisper = await prepare(WHISPER_TINY_EN, lambda done, total: on_progress(WHISPER_TINY_EN.name, done, total))
    recogniser = await trio.to_thread.run_sync(WhisperRecogniser.load, whisper.parent)
    detectors = await trio.to_thread.run_sync(SileroDetectors.load)
    await trio.to_thread.run_sync(recogniser.warm)
    await trio.to_thread.run_sync(warm, voice.open_voice("default"))
    return Senses(detectors, recogniser)


async def _language_model(provider: Provider, stack: AsyncExitStack, on_progress: Progress) -> ChatEndpoint:
    """The user's endpoint, or a process of our own with the user's weights or the installed ones."""
    if provider.url:
        return ChatEndpoint(provider.url, provider.model, options={"max_tokens": REPLY["max_tokens"]})
    require_engine()
    if provider.model:
        gguf = _weights_of_the_user(provider.model)
    else:
        model = best_language_model()
        gguf = await prepare(model, lambda done, total: on_progress(model.name, done, total))
    process = await stack.enter_async_context(language_model_process(gguf))
    return ChatEndpoint(process.url, process.model, process.api_key, options=REPLY)


def _weights_of_the_user(name: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        raise NoSuchWeights(path)
    return path


def _is_known(group: BaseExceptionGroup[Any]) -> bool:
    return all(isinstance(error, LocalError | VoiceError) for error in _leaves(group))


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
