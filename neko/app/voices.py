"""Which voices a character needs, and whether they exist and have the voice that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    """A voice that may speak for a character: its name, the id it is to speak with, and its `[voices.NAME]`."""

    name: str
    voice_id: str
    settings: VoiceSettings
    configured: bool


def require_voices(config: ConfigManager) -> None:
    """Raises ConfigError for the first character whose `tts` or `voice` does not exist, or voice that has no engine."""
    for name in config.names:
        require_voice(config.snapshot(name), partial(config.origin, name))
    for name, settings in config.configuration.voices.items():
        require_settings(Part(name, settings.voice or DEFAULT_VOICE, settings, configured=True), config.source)


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
    for name, settings in read.voices.items():
        require_settings(Part(name, settings.voice or DEFAULT_VOICE, settings, configured=True), source)


def require_voice(snapshot: Snapshot, origin: Origin) -> None:
    """Raises ConfigError when one of the character's voice engines, or its voice in there, does not exist.

    An engine that is not installed is no mistake of the configuration.
    """
    engine = engine_of(snapshot)
    if engine is None:
        return
    first, *others = parts_of(snapshot, engine)
    key = ("characters", snapshot.name, "tts")
    try:
        get_tts_worker(first.settings.kind).open_voice(first.voice_id, Setup(first.settings))
    except UnknownWorker as error:
        if first.configured:
            raise _no_engine(first, error, origin(VOICES)) from error
        accepted = (NATIVE, CONFIGURED, *error.accepted)
        raise _refused(key, engine, origin("tts"), "is no voice engine", accepted) from error
    except UnknownVoice as error:
        where = ("characters", snapshot.name, "voice")
        raise _refused(
            where, first.voice_id, origin("voice"), f"the engine {first.settings.kind} does not have", error.accepted
        ) from error
    except SettingMissing as error:
        if first.configured:
            raise _missing(first, error, origin(VOICES)) from error
        problem = f"{dotted(key)} is {shown(engine)}, an engine that cannot be used without settings"
        table = f'[voices.NAME] with kind = "{error.kind}" and {error.key}, and that NAME here'
        raise ConfigError(origin("tts"), f"{problem}; accepted: {table}") from error
    except VoiceMissing:
        pass
    for part in others:
        require_settings(part, origin(VOICES))


def require_settings(part: Part, where: str) -> None:
    """Raises ConfigError when a `[voices.NAME]` names an engine or a voice that does not exist, or lacks something."""
    try:
        get_tts_worker(part.settings.kind).open_voice(part.voice_id, Setup(part.settings))
    except UnknownWorker as error:
        raise _no_engine(part, error, where) from error
    except UnknownVoice as error:
        key = (VOICES, part.name, "voice")
        raise _refused(
            key, part.voice_id, where, f"the engine {part.settings.kind} does not have", error.accepted
        ) from error
    except SettingMissing as error:
        raise _missing(part, error, where) from error
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
    return list(_parts(snapshot, name, snapshot.character.voice))


def _parts(snapshot: Snapshot, name: str, voice_id: str) -> Iterator[Part]:
    settings = snapshot.voices.get(name)
    if settings is None:
        yield Part(name, voice_id, VoiceSettings(kind=name), configured=False)
    else:
        own = settings.voice or DEFAULT_VOICE
        yield Part(name, own if voice_id == DEFAULT_VOICE else voice_id, settings, configured=True)
    following = settings.fallback if settings else ""
    if not following and (settings.kind if settings else name) not in SELF_SUFFICIENT:
        following = _stand_in(snapshot.character.language)
    if following and following != name:
        yield from _parts(snapshot, following, DEFAULT_VOICE)


def _stand_in(language: str) -> str:
    """What this machine can speak of a language by itself, if anything."""
    if language.startswith("en") and find_spec("hibari"):
        return EMBEDDED_VOICE
    if language.startswith("ja") and find_spec("pyopenjtalk"):
        return JAPANESE_VOICE
    return "espeak" if which(COMMAND) else ""


def _no_engine(part: Part, error: UnknownWorker, where: str) -> ConfigError:
    return _refused((VOICES, part.name, "kind"), part.settings.kind, where, "is no voice engine", error.accepted)


def _no_voice(key: Path, part: Part, error: UnknownVoice, where: str) -> ConfigError:
    return _refused(key, part.voice_id, where, f"the engine {part.settings.kind} does not have", error.accepted)


def _missing(part: Part, error: SettingMissing, where: str) -> ConfigError:
    key = dotted((VOICES, part.name, *error.key.split(".")))
    return ConfigError(where, f"{key} is missing or wrong (kind {error.kind} needs it); accepted: {error.accepted}")


def _refused(key: Path, found: str, where: str, why: str, accepted: tuple[str, ...]) -> ConfigError:
    problem = f"{dotted(key)} is {shown(found)}, which {why}"
    return ConfigError(where, f"{problem}{suggestion(found, accepted)}; accepted: {', '.join(accepted)}")
