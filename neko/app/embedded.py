"""The embedded provider's engines, from cold to warm, and again when their process dies."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
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
GGUF = b"GGUF"  # what every such file begins with
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
class Broken:
    """They cannot be had; `why` says what to do."""

    why: str


class Embedded:
    """The engines of one process. `run` owns them; everybody else asks `warm`."""

    def __init__(self, provider: Provider, prompt: Sequence[ChatMessage], voices: trio.CapacityLimiter) -> None:
        self._provider = provider
        self._prompt = prompt
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
                async with open_engines(self._provider, self._prompt, self._voices, on_progress) as engines:
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
async def open_engines(
    provider: Provider, prompt: Sequence[ChatMessage], voices: trio.CapacityLimiter, on_progress: Progress
) -> AsyncIterator[Warm]:
    """Warm engines, which begin to read `prompt`; everything they started ends with the context.

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
        places = None if provider.url else Places(chat)
        async with trio.open_nursery() as nursery:
            if places is not None and prompt:
                nursery.start_soon(places.read, prompt)
            yield Warm(engines, chat, voice, places)
            nursery.cancel_scope.cancel()


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
        gguf = await trio.to_thread.run_sync(weights_of_the_user, provider.model)
    else:
        model = best_language_model()
        gguf = await prepare(model, lambda done, total: on_progress(model.name, done, total))
    process = await stack.enter_async_context(language_model_process(gguf))
    return ChatEndpoint(process.url, process.model, process.api_key, options=REPLY)


def weights_of_the_user(name: str) -> Path:
    """The GGUF file that a configuration names. Raises `NoSuchWeights` when it is none."""
    path = Path(name).expanduser()
    if not path.is_file():
        raise NoSuchWeights(path)
    with path.open("rb") as file:
        if file.read(len(GGUF)) != GGUF:
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
