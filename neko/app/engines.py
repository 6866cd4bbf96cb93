"""The embedded engines put together: senses, language model and voice, each loaded and warmed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import trio
from attrs import frozen

from neko.app.places import Places
from neko.app.precedence import Answering
from neko.app.warm import LocalLanguageModel, Warm
from neko.config.model import Provider
from neko.local.detection import SileroDetectors
from neko.local.engine import language_model_process, require_engine
from neko.local.engines import ChatMessage, EngineError, Engines, Speak
from neko.local.errors import NoSuchWeights
from neko.local.installed import best_language_model
from neko.local.models import WHISPER_TINY_EN
from neko.local.recognition import WhisperRecogniser
from neko.local.scripted import ScriptedModel, scripted_engines
from neko.local.weights import prepare
from neko.realtime.chat import ChatEndpoint, open_chat
from neko.tts.errors import VoiceError
from neko.tts.thread import speaker
from neko.tts.voice import warm
from neko.tts.worker import TtsWorker, get_tts_worker

SCRIPTED = "scripted"
GGUF = b"GGUF"  # what every such file begins with
# 0.7 keeps a small model from repeating itself; 160 tokens are half a minute of speech.
REPLY = {"temperature": 0.7, "max_tokens": 160, "cache_prompt": True}
LONGEST_ASIDE = 1_000  # tokens of what an endpoint is asked beside the conversation; a reply in any language has fewer

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, how much there is."""


@asynccontextmanager
async def open_engines(
    provider: Provider, prompt: Sequence[ChatMessage], voices: trio.CapacityLimiter, on_progress: Progress
) -> AsyncIterator[Warm]:
    """Warm engines, which begin to read `prompt`; everything they started ends with the context.

    Raises:
        LocalError: in a group; a model is missing, is not what it should be, or does not run here.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # some engines would ask a hub for what is installed
    if provider.model == SCRIPTED:
        voice = get_tts_worker("tone")
        engines = scripted_engines(_speaker(voice, voices))
        yield Warm(engines, ScriptedModel(), voice)
        return
    voice = get_tts_worker("embedded")
    async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
        # The model loads in a process of its own, in as much time as everything else needs here.
        loaded, senses_loaded = trio.open_memory_channel[Senses](1)
        nursery.start_soon(_load_senses, voice, on_progress, loaded)
        endpoint = await _language_model(provider, stack, on_progress)
        chat = await stack.enter_async_context(open_chat(endpoint))
        places = None if provider.url else Places(chat)
        if places is not None and prompt:
            nursery.start_soon(places.read, prompt)
        answering = Answering(chat, aside=chat.with_options(max_tokens=LONGEST_ASIDE))
        with senses_loaded:
            senses = await senses_loaded.receive()
        engines = Engines(senses.detectors, senses.recogniser, LocalLanguageModel(answering), _speaker(voice, voices))
        yield Warm(engines, answering, voice, places, (places or answering).ask)
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
class Senses:
    detectors: SileroDetectors
    recogniser: WhisperRecogniser


async def _load_senses(voice: TtsWorker, on_progress: Progress, loaded: trio.MemorySendChannel[Senses]) -> None:
    whisper = await prepare(WHISPER_TINY_EN, lambda done, total: on_progress(WHISPER_TINY_EN.name, done, total))
    recogniser = await trio.to_thread.run_sync(WhisperRecogniser.load, whisper.parent)
    detectors = await trio.to_thread.run_sync(SileroDetectors.load)
    await trio.to_thread.run_sync(recogniser.warm)
    await trio.to_thread.run_sync(warm, voice.open_voice("default"))
    with loaded:
        loaded.send_nowait(Senses(detectors, recogniser))


async def _language_model(provider: Provider, stack: AsyncExitStack, on_progress: Progress) -> ChatEndpoint:
    """The user's endpoint, or a process of our own with the user's weights or the installed ones."""
    if provider.url:
        return ChatEndpoint(
            provider.url, provider.model, options={"max_tokens": REPLY["max_tokens"], **provider.chat_options}
        )
    require_engine()
    if provider.model:
        gguf = await trio.to_thread.run_sync(weights_of_the_user, provider.model)
    else:
        model = best_language_model()
        gguf = await prepare(model, lambda done, total: on_progress(model.name, done, total))
    process = await stack.enter_async_context(language_model_process(gguf))
    return ChatEndpoint(process.url, process.model, process.api_key, options={**REPLY, **provider.chat_options})


def weights_of_the_user(name: str) -> Path:
    """The GGUF file that a configuration names. Raises `NoSuchWeights` when it is none."""
    path = Path(name).expanduser()
    if not path.is_file():
        raise NoSuchWeights(path)
    with path.open("rb") as file:
        if file.read(len(GGUF)) != GGUF:
            raise NoSuchWeights(path)
    return path
