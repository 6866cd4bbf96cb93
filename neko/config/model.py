"""The configuration as values; fields and defaults are the keys and defaults of `neko.toml`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from attrs import evolve, field, frozen

from neko.config import accept
from neko.config.errors import ConfigError

DEFAULT_PROMPT = (
    "You are {LANLAN_NAME}, and {MASTER_NAME} is talking with you. You are a person with a life of your own. "
    "Answer in one or two short spoken sentences. Never say that you are an AI or an assistant. "
    "Begin each reply with one mood tag: <happy>, <sad>, <surprised>, <calm> or <angry>."
)


class AudioFrames(StrEnum):
    """How speech goes to clients that do not ask."""

    BASE64 = "base64"
    BINARY = "binary"


class Prepare(StrEnum):
    """When the next session is connected: at once, or when a reason to renew comes near."""

    EAGER = "eager"
    DUE = "due"


class ProviderKind(StrEnum):
    """The dialect that a provider speaks."""

    OPENAI = "openai"
    AZURE = "azure"
    XAI = "xai"
    QWEN = "qwen"
    GLM = "glm"
    STEP = "step"
    GEMINI = "gemini"
    LOCAL = "local"
    CHAT = "chat"


Kind = ProviderKind | str
"""One of ours, or the name of one that another package brings, as an entry point of the group `neko.providers`."""


class Generation(StrEnum):
    """Of the Realtime API: as it is now, or its beta, which Azure's previews and many servers of one's own speak."""

    GA = "ga"
    BETA = "beta"


class ToolKind(StrEnum):
    """Where a tool comes from."""

    ENTRY_POINT = "entry_point"
    MCP = "mcp"


@frozen(kw_only=True)
class Server:
    host: str = field(default="127.0.0.1", validator=accept.TEXT)
    port: int = field(default=48911, validator=accept.PORT)
    audio_frames: AudioFrames = AudioFrames.BASE64
    auth_token_env: str = field(default="NEKO_TOKEN", validator=accept.VARIABLE)
    allowed_origins: tuple[str, ...] = field(default=(), validator=accept.ORIGINS)
    max_connections: int = field(default=256, validator=accept.SOME)
    data_dir: str = ""
    grace_s: float = field(default=10.0, validator=accept.SECONDS)


@frozen(kw_only=True)
class SessionPolicy:
    """When a model session is renewed, and how long things wait; 0 is no limit for `max_…` and `idle_end_s`, and no
    greeting for `greet_after_s`."""

    prepare: Prepare = Prepare.EAGER
    keep_warm_s: float = field(default=20.0, validator=accept.SECONDS)
    max_turns: int = field(default=10, validator=accept.COUNT)
    max_age_s: float = field(default=0.0, validator=accept.SECONDS)
    swap_deadline_s: float = field(default=5.0, validator=accept.SOME_SECONDS)
    silence_s: float = field(default=10.0, validator=accept.SOME_SECONDS)
    resume_s: float = field(default=30.0, validator=accept.SECONDS)
    idle_end_s: float = field(default=1800.0, validator=accept.SECONDS)
    greet_after_s: float = field(default=900.0, validator=accept.SECONDS)
    noise_suppression: int = field(default=0, validator=accept.LEVEL)
    echo_guard: bool = False


@frozen(kw_only=True)
class Agents:
    """ZeroMQ addresses that the main server binds."""

    session_pub: str = field(default="tcp://127.0.0.1:48961", validator=accept.ADDRESS)
    result_pull: str = field(default="tcp://127.0.0.1:48962", validator=accept.ADDRESS)
    analyze_push: str = field(default="tcp://127.0.0.1:48963", validator=accept.ADDRESS)


@frozen(kw_only=True)
class Translation:
    chain: tuple[str, ...] = ("googletrans", "translatepy", "llm")
    step_timeout_s: float = field(default=5.0, validator=accept.SOME_SECONDS)


@frozen(kw_only=True)
class Provider:
    """Where a model is reached. "" and None mean: what the dialect knows.

    Of kind `local`, `model` is "" (the installed weights), the path of a GGUF file, or "scripted" (a persona without a
    model), and `url` any OpenAI-compatible chat URL to use instead. `temperature` is for the kinds `local` and `chat`,
    `context_tokens` (of the server) and `sees` (whether the model takes pictures) for the kind `chat`.
    """

    kind: Kind
    api: Generation = Generation.GA
    url: str = ""
    model: str = ""
    api_key_env: str = field(default="", validator=accept.VARIABLE)
    max_session_s: float | None = field(default=None, validator=accept.LIMIT_SECONDS)
    temperature: float | None = field(default=None, validator=accept.TEMPERATURE)
    context_tokens: int | None = field(default=None, validator=accept.CONTEXT)
    sees: bool | None = None

    @property
    def chat_options(self) -> dict[str, float]:
        """Further fields of a chat completions request."""
        return {} if self.temperature is None else {"temperature": self.temperature}

    def api_key(self, environ: Mapping[str, str]) -> str | None:
        """The key itself, None when none is configured; ConfigError when its variable is unset or empty."""
        return _secret(self.api_key_env, environ, "the provider's API key")


@frozen(kw_only=True)
class ToolSource:
    """Something that characters may use: an installed plug-in, or an MCP server, which may have many tools.

    `entry_point` is its name in the group `neko.tools`, "" the table's own. An MCP server is either a program that is
    started here (`command`, `args`, and in `env` the names of the variables that it is given beside the usual ones) or
    reached at `url`, where `api_key_env` names the variable with its token.
    """

    kind: ToolKind
    entry_point: str = ""
    command: str = ""
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = field(default=(), validator=accept.VARIABLES)
    url: str = ""
    api_key_env: str = field(default="", validator=accept.VARIABLE)
    timeout_s: float = field(default=60.0, validator=accept.SOME_SECONDS)
    durable: bool = False

    def api_key(self, environ: Mapping[str, str]) -> str | None:
        """The token itself, None when none is configured; ConfigError when its variable is unset or empty."""
        return _secret(self.api_key_env, environ, "the token of a tool")

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The variables of `env` with their values; ConfigError when one is not set."""
        missing = [name for name in self.env if name not in environ]
        if missing:
            raise ConfigError("environment", f"{missing[0]} is not set; a tool is to be given it")
        return {name: environ[name] for name in self.env}


def _secret(name: str, environ: Mapping[str, str], what: str) -> str | None:
    if not name:
        return None
    secret = environ.get(name)
    if not secret:
        raise ConfigError("environment", f"{name} is not set; it must hold {what}")
    return secret


@frozen(kw_only=True)
class VoiceSettings:
    """`[voices.NAME]`: a voice engine with what it needs to be used. "" means: what the engine knows.

    `kind` is the engine's name, `voice` the one for characters that name none, `options` are further fields of what the
    vendor is asked. `fallback`, another voice or engine, speaks when it fails; "" is what this machine can speak.
    """

    kind: str = field(validator=accept.TEXT)
    url: str = ""
    model: str = ""
    voice: str = ""
    api_key_env: str = field(default="", validator=accept.VARIABLE)
    fallback: str = ""
    options: Mapping[str, Any] = field(factory=dict, validator=accept.OPTIONS)

    def api_key(self, environ: Mapping[str, str]) -> str | None:
        """As `Provider.api_key`."""
        return _secret(self.api_key_env, environ, "the voice's API key")


@frozen
class Example:
    """A line of the person and how the character answers it, shown to the model before the conversation."""

    user: str
    character: str


@frozen(kw_only=True)
class Character:
    provider: str = field(default="local", validator=accept.TEXT)
    text_provider: str = field(default="local", validator=accept.TEXT)
    vision: str = ""
    fallback: str = ""  # the provider that stands in while the character's own cannot be had
    language: str = field(default="en", validator=accept.TEXT)
    voice: str = field(default="default", validator=accept.TEXT)
    tts: str = field(default="native", validator=accept.TEXT)
    prompt: str = DEFAULT_PROMPT
    master_name: str = field(default="my friend", validator=accept.TEXT)
    tools: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    session: SessionPolicy = SessionPolicy()

    def filled(self, name: str) -> Character:
        """This character with {LANLAN_NAME} (`name`) and {MASTER_NAME} written out; other braces stay as they are."""
        examples = tuple(Example(self._fill(e.user, name), self._fill(e.character, name)) for e in self.examples)
        return evolve(self, prompt=self._fill(self.prompt, name), examples=examples)

    def _fill(self, text: str, name: str) -> str:
        names = {"{LANLAN_NAME}": name, "{MASTER_NAME}": self.master_name}
        # One pass, so that a name that looks like a placeholder stays a name.
        return re.sub("|".join(map(re.escape, names)), lambda found: names[found[0]], text)


@frozen(kw_only=True)
class Configuration:
    """One consistent reading of `neko.toml`: every reference resolves, every session policy is complete."""

    server: Server = Server()
    session: SessionPolicy = SessionPolicy()
    agents: Agents = Agents()
    translation: Translation = Translation()
    providers: Mapping[str, Provider] = field(factory=lambda: {"local": Provider(kind=ProviderKind.LOCAL)})
    tools: Mapping[str, ToolSource] = field(factory=dict)
    voices: Mapping[str, VoiceSettings] = field(factory=dict)
    characters: Mapping[str, Character]
