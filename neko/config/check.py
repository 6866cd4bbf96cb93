"""What one value cannot know: that references resolve, and that a provider has what its kind needs."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, assert_never
from urllib.parse import urlsplit

import attrs

from neko.config.errors import ConfigError, shown, suggestion
from neko.config.explain import Path, dotted
from neko.config.model import (
    Agents,
    Character,
    Configuration,
    Generation,
    Provider,
    ProviderKind,
    ToolKind,
    ToolSource,
    VoiceSettings,
)
from neko.config.snapshot import NATIVE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EMBEDDED = "local"  # the provider that is always there, and a model name at /v1/realtime
VOICE_SCHEMES = ("https", "http", "wss", "ws")  # which of them an engine speaks, only the engine knows
LONGEST_NAME = 100  # a name travels in URLs and file rows
ANY_PORT = (":*", ":0", "://*")  # how ZeroMQ is asked to choose
CHATTING = (ProviderKind.LOCAL, ProviderKind.CHAT)  # their models are asked over chat completions
BETAS = (ProviderKind.OPENAI, ProviderKind.AZURE)  # kinds whose API still has its beta
AZURE_NEEDS = {"url": "a URL such as wss://NAME.openai.azure.com", "model": "the name of a deployment"}
TOOLS = ("clock",)  # that come with neko
TRANSLATORS = ("googletrans", "translatepy", "llm")


def check(configuration: Configuration, where: str) -> None:
    """Raise ConfigError for the first thing in `configuration` that does not fit the rest."""
    for name, provider in configuration.providers.items():
        _check_provider(name, provider, where)
    for name, tool in configuration.tools.items():
        _check_tool(name, tool, where)
    for name, voice in configuration.voices.items():
        _check_voice(name, voice, configuration.voices, where)
    for name, character in configuration.characters.items():
        _check_name(name, where)
        check_character(name, character, configuration, where)
        _check_fallback(name, character, where)
    _check_chain(configuration.translation.chain, where)
    _check_addresses(configuration.agents, where)


def check_character(name: str, character: Character, configuration: Configuration, where: str) -> None:
    """Raise ConfigError when a character names a provider that is not there or cannot do it."""
    providers = configuration.providers
    can_speak = [key for key, provider in providers.items() if provider.kind is not ProviderKind.CHAT]
    _check_reference(("characters", name, "text_provider"), character.text_provider, providers, where)
    key = ("characters", name, "provider")
    if character.provider in providers and character.provider not in can_speak:
        problem = f"{dotted(key)} is {shown(character.provider)}, which is of kind chat and cannot speak"
        raise ConfigError(where, f"{problem}; accepted: {', '.join(can_speak)}")
    _check_reference(key, character.provider, can_speak, where)
    if character.fallback:
        _check_reference(
            ("characters", name, "fallback"), character.fallback, can_speak, where, "is no provider that can speak"
        )
    if character.vision:
        chatting = [name for name, provider in providers.items() if provider.kind is ProviderKind.CHAT]
        _check_reference(
            ("characters", name, "vision"), character.vision, chatting, where, "is no provider of kind chat"
        )
    for index, tool in enumerate(character.tools):
        _check_reference(("characters", name, "tools", index), tool, configuration.tools, where)


def _check_fallback(name: str, character: Character, where: str) -> None:
    """A file that says so is mistaken; a client that wishes for the fallback itself is not."""
    if character.fallback and character.fallback == character.provider:
        problem = f"{dotted(('characters', name, 'fallback'))} is {shown(character.fallback)}, the provider itself"
        raise ConfigError(where, f"{problem}; accepted: another provider that can speak")


def _check_reference(
    key: Path, found: str, accepted: Iterable[str], where: str, problem: str = "is not configured"
) -> None:
    if found not in accepted:
        names = ", ".join(accepted) or "none that is there"
        hint = suggestion(found, accepted)
        raise ConfigError(where, f"{dotted(key)} is {shown(found)}, which {problem}{hint}; accepted: {names}")


def _check_name(name: str, where: str) -> None:
    if name == EMBEDDED:
        problem = 'characters.local: "local" is the embedded provider\'s name at /v1/realtime; accepted: any other name'
        raise ConfigError(where, problem)
    if not re.fullmatch(rf"(?=.*\S)[^/\x00-\x1f\x7f]{{1,{LONGEST_NAME}}}", name):
        accepted = f"a name of 1 to {LONGEST_NAME} characters, without / and control characters"
        raise ConfigError(where, f"{dotted(('characters', name))} is no name for a character; accepted: {accepted}")


def _check_chain(chain: Iterable[str], where: str) -> None:
    accepted = (*TRANSLATORS, *(entry.name for entry in entry_points(group="neko.translators")))
    for index, step in enumerate(chain):
        _check_reference(("translation", "chain", index), step, accepted, where)


def _check_addresses(agents: Agents, where: str) -> None:
    """All three are bound by one process. An address that lets the system choose may stand there twice."""
    taken: dict[str, str] = {}
    for key, address in attrs.asdict(agents).items():
        if address.endswith(ANY_PORT):
            continue
        if address in taken:
            problem = f"agents.{key} is {shown(address)}, as agents.{taken[address]} is"
            raise ConfigError(where, f"{problem}; accepted: an address of its own for each")
        taken[address] = key


def _check_provider(name: str, provider: Provider, where: str) -> None:
    key = dotted(("providers", name))
    if name == EMBEDDED and provider.kind is not ProviderKind.LOCAL:
        problem = f"{key}.kind is {shown(provider.kind)}, but this name is the embedded provider's; accepted: local"
        raise ConfigError(where, problem)
    for option, kinds in _ONLY_FOR.items():
        if getattr(provider, option) is not None and provider.kind not in kinds:
            problem = f"{key}.{option} is there, but kind {provider.kind} takes none"
            accepted = f"a provider of kind {' or '.join(kinds)}, or no such key"
            raise ConfigError(where, f"{problem}; accepted: {accepted}")
    if provider.api is Generation.BETA and provider.kind not in BETAS:
        problem = f"{key}.api is {shown(provider.api)}, which kind {provider.kind} does not have"
        raise ConfigError(where, f"{problem}; accepted: {Generation.GA}")
    match provider.kind:
        case ProviderKind.LOCAL:
            _check_url(key, provider, ("http", "https"), where)
        case ProviderKind.CHAT:
            if not provider.url:
                problem = f"{key}.url is missing (kind chat needs one)"
                raise ConfigError(where, f"{problem}; accepted: a URL such as http://127.0.0.1:11434/v1")
            _check_url(key, provider, ("http", "https"), where)
        case _:
            _check_realtime(key, provider, where)


_ONLY_FOR = {"temperature": CHATTING, "context_tokens": (ProviderKind.CHAT,), "sees": (ProviderKind.CHAT,)}


def _check_realtime(key: str, provider: Provider, where: str) -> None:
    if provider.kind is ProviderKind.AZURE:
        # A resource has an address of its own, and its deployments have names of their own.
        for missing, accepted in AZURE_NEEDS.items():
            if not getattr(provider, missing):
                raise ConfigError(where, f"{key}.{missing} is missing (kind azure needs one); accepted: {accepted}")
    _check_url(key, provider, ("wss", "ws"), where)
    # A plain ws:// is a server of one's own, such as `neko sim`, which may have no key.
    if not provider.api_key_env and not provider.url.startswith("ws://"):
        problem = f"{key}.api_key_env is missing (kind {provider.kind} needs a key)"
        raise ConfigError(where, f"{problem}; accepted: the name of an environment variable that holds it")


def _check_tool(name: str, tool: ToolSource, where: str) -> None:
    """A name is part of what models call the tool by, and OpenAI takes 64 letters, digits, _ and - there."""
    key = dotted(("tools", name))
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", name):
        raise ConfigError(where, f"{key} is no name for a tool; accepted: 1 to 32 letters (A to Z), digits, _ and -")
    # A key of the other kind would be a tool that does something else than its writer believes.
    idle = next((each for each in _NOT_FOR[tool.kind] if getattr(tool, each)), None)
    if idle is not None:
        accepted = "no such key, or the other kind"
        raise ConfigError(where, f"{key}.{idle} is there, but kind {tool.kind} takes none; accepted: {accepted}")
    match tool.kind:
        case ToolKind.ENTRY_POINT:
            installed = (*TOOLS, *sorted(entry_points(group="neko.tools").names))
            found = tool.entry_point or name
            _check_reference(("tools", name, "entry_point"), found, installed, where, "is not installed")
        case ToolKind.MCP:
            if bool(tool.command) == bool(tool.url):
                found = "both there" if tool.url else "missing"
                raise ConfigError(where, f"{key}.command and {key}.url are {found}; accepted: one of the two")
            _check_url(key, tool, ("http", "https"), where)
        case _:
            assert_never(tool.kind)


_NOT_FOR = {ToolKind.ENTRY_POINT: ("command", "args", "env", "url", "api_key_env"), ToolKind.MCP: ("entry_point",)}


def _check_voice(name: str, voice: VoiceSettings, voices: Mapping[str, VoiceSettings], where: str) -> None:
    key = dotted(("voices", name))
    if name == NATIVE:
        raise ConfigError(where, f'{key}: "native" is the provider\'s own speech; accepted: any other name')
    _check_url(key, voice, VOICE_SCHEMES, where)
    seen = [name]
    while (following := voices[seen[-1]].fallback) in voices:
        if following in seen:
            problem = f"{dotted(('voices', seen[-1], 'fallback'))} is {shown(following)}, whose own fallback leads back"
            raise ConfigError(where, f"{problem}; accepted: another voice or engine")
        seen.append(following)


def _check_url(key: str, reached: Provider | ToolSource | VoiceSettings, schemes: tuple[str, ...], where: str) -> None:
    if not reached.url or _is_url(reached.url, schemes):
        return
    # Only the beginning is repeated: some vendors put keys into their URLs.
    scheme = shown(reached.url.partition("://")[0][:8])
    accepted = " or ".join(f"{each}://HOST…" for each in schemes)
    raise ConfigError(where, f"{key}.url begins with {scheme}; accepted for kind {reached.kind}: {accepted}")


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an address in brackets that is none, a port out of range
        return False
