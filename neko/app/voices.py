"""Which voices a character needs, and whether they exist and have the voice that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from shutil import which

from attrs import frozen

from neko.app.engines import SCRIPTED
from neko.config.errors import ConfigError, shown, suggestion
from neko.config.explain import Path, dotted
from neko.config.manager import ConfigManager
from neko.config.model import Configuration, ProviderKind, VoiceSettings
from neko.config.snapshot import NATIVE, Snapshot, take_snapshot
from neko.tts.errors import SettingMissing, UnknownVoice, UnknownWorker, VoiceMissing
from neko.tts.espeak import COMMAND
from neko.tts.setup import DEFAULT_VOICE, Setup
from neko.tts.worker import get_tts_worker

EMBEDDED_VOICE = "embedded"
JAPANESE_VOICE = "embedded-ja"
SCRIPTED_VOICE = "tone"
CONFIGURED = "the name of a [voices.NAME] table"
VOICES = "voices"
# Engines that nobody stands in for: they do not fail, or are what somebody tests with.
SELF_SUFFICIENT = (EMBEDDED_VOICE, JAPANESE_VOICE, SCRIPTED_VOICE, "silent")

Origin = Callable[[str], str]
"""Where a key of a character, or `VOICES`, is written: a file, or the request."""


@frozen
class Part:
    """A voice that may speak for a character: its name, the id it is to speak with, its `[voices.NAME]`, and the keys
    that say which engine and which voice id it is."""

    name: str
    voice_id: str
    settings: VoiceSettings
    engine_key: Path
    voice_key: Path

    @property
    def configured(self) -> bool:
        """It has a table of its own, which names its engine."""
        return self.engine_key == (VOICES, self.name, "kind")


def require_voices(config: ConfigManager) -> None:
    """Raises ConfigError for the first character whose `tts` or `voice` does not exist, or voice that has no engine."""
    for name in config.names:
        require_voice(config.snapshot(name), partial(config.origin, name))
    for name in config.configuration.voices:
        require_settings(name, config.configuration.voices, config.source)


def require_voices_of(read: Configuration, source: str, config: ConfigManager) -> None:
    """The same, of those whom a re-read file would change."""
    foreseen = config.foreseen(read)

    def origin(name: str, key: str) -> str:
        if key == VOICES:
            return source
        says, holds = (getattr(each.characters[name], key) for each in (read, foreseen))
        return source if says == holds else str(config.store.path)

    for name in foreseen.characters:
        snapshot = take_snapshot(foreseen, name)
        if name not in config.names or snapshot != config.snapshot(name):
            require_voice(snapshot, partial(origin, name))
    for name in read.voices:
        require_settings(name, read.voices, source)


def require_voice(snapshot: Snapshot, origin: Origin) -> None:
    """Raises ConfigError when one of the character's voice engines, or its voice in there, does not exist.

    An engine that is not installed is no mistake of the configuration.
    """
    engine = engine_of(snapshot)
    if engine is None:
        return
    for part in parts_of(snapshot, engine):
        _require(part, origin)


def require_settings(name: str, voices: Mapping[str, VoiceSettings], where: str) -> None:
    """Raises ConfigError when a `[voices.NAME]` names an engine or a voice that does not exist, or lacks something."""
    settings = voices[name]
    _require(_configured(name, settings, DEFAULT_VOICE, (VOICES, name, "voice")), lambda _: where)
    if settings.fallback and settings.fallback not in voices:
        key = (VOICES, name, "fallback")
        _require(_bare(settings.fallback, DEFAULT_VOICE, key, key), lambda _: where)


def _require(part: Part, origin: Origin) -> None:
    try:
        get_tts_worker(part.settings.kind).open_voice(part.voice_id, Setup(part.settings))
    except UnknownWorker as error:
        accepted = error.accepted if part.configured else (*_besides(part), *error.accepted)
        raise _refused(part.engine_key, part.settings.kind, origin, "is no voice engine", accepted) from error
    except UnknownVoice as error:
        why = f"the engine {part.settings.kind} does not have"
        raise _refused(part.voice_key, part.voice_id, origin, why, error.accepted) from error
    except SettingMissing as error:
        raise _missing(part, error, origin) from error
    except VoiceMissing:
        return


def engine_of(snapshot: Snapshot) -> str | None:
    """The voice that has to know the character's `voice`; None where it is the provider's own business."""
    if snapshot.character.tts != NATIVE:
        return snapshot.character.tts
    if snapshot.provider.kind is not ProviderKind.LOCAL:
        return None
    return SCRIPTED_VOICE if snapshot.provider.model == SCRIPTED else EMBEDDED_VOICE


def parts_of(snapshot: Snapshot, name: str) -> list[Part]:
    """The voice of that name, and those that stand in for it, best first."""
    character = ("characters", snapshot.name)
    return list(_parts(snapshot, name, snapshot.character.voice, (*character, "tts"), (*character, "voice")))


def _parts(snapshot: Snapshot, name: str, voice_id: str, engine_key: Path, voice_key: Path) -> Iterator[Part]:
    settings = snapshot.voices.get(name)
    if settings is None:
        yield _bare(name, voice_id, engine_key, voice_key)
    else:
        yield _configured(name, settings, voice_id, voice_key)
    following = settings.fallback if settings else ""
    if not following and (settings.kind if settings else name) not in SELF_SUFFICIENT:
        following = _stand_in(snapshot.character.language)
    if following and following != name:
        key = (VOICES, name, "fallback")
        yield from _parts(snapshot, following, DEFAULT_VOICE, key, key)


def _configured(name: str, settings: VoiceSettings, voice_id: str, voice_key: Path) -> Part:
    own = (VOICES, name)
    if voice_id == DEFAULT_VOICE and settings.voice:
        voice_id, voice_key = settings.voice, (*own, "voice")
    return Part(name, voice_id, settings, (*own, "kind"), voice_key)


def _bare(name: str, voice_id: str, engine_key: Path, voice_key: Path) -> Part:
    """An engine that needs no settings."""
    return Part(name, voice_id, VoiceSettings(kind=name), engine_key, voice_key)


def _stand_in(language: str) -> str:
    """What this machine can speak of a language by itself, if anything."""
    if language.startswith("en") and find_spec("hibari"):
        return EMBEDDED_VOICE
    if language.startswith("ja") and find_spec("pyopenjtalk"):
        return JAPANESE_VOICE
    return "espeak" if which(COMMAND) else ""


def _besides(part: Part) -> tuple[str, ...]:
    return (NATIVE, CONFIGURED) if part.engine_key[-1] == "tts" else (CONFIGURED,)


def _missing(part: Part, error: SettingMissing, origin: Origin) -> ConfigError:
    if part.configured:
        key = dotted((VOICES, part.name, *error.key.split(".")))
        problem = f"{key} is missing or wrong (kind {error.kind} needs it)"
        return ConfigError(origin(VOICES), f"{problem}; accepted: {error.accepted}")
    problem = f"{dotted(part.engine_key)} is {shown(part.name)}, an engine that cannot be used without settings"
    table = f'[voices.NAME] with kind = "{error.kind}" and {error.key}, and that NAME here'
    return ConfigError(_file(part.engine_key, origin), f"{problem}; accepted: {table}")


def _refused(key: Path, found: str, origin: Origin, why: str, accepted: tuple[str, ...]) -> ConfigError:
    problem = f"{dotted(key)} is {shown(found)}, which {why}"
    return ConfigError(_file(key, origin), f"{problem}{suggestion(found, accepted)}; accepted: {', '.join(accepted)}")


def _file(key: Path, origin: Origin) -> str:
    return origin(VOICES if key[0] == VOICES else str(key[-1]))
