"""Which voice engine a character needs, and whether it has the voice that the character names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from neko.app.engines import SCRIPTED
from neko.config.errors import ConfigError, shown, suggestion
from neko.config.explain import dotted
from neko.config.manager import ConfigManager
from neko.config.model import Configuration, ProviderKind
from neko.config.snapshot import Snapshot, take_snapshot
from neko.tts.errors import UnknownVoice, UnknownWorker, VoiceMissing
from neko.tts.worker import get_tts_worker

NATIVE = "native"
EMBEDDED_VOICE = "embedded"
SCRIPTED_VOICE = "tone"

Origin = Callable[[str], str]
"""Where a key of a character is written: a file, or the request."""


def require_voices(config: ConfigManager) -> None:
    """Raises ConfigError for the first character whose `tts` or `voice` does not exist."""
    for name in config.names:
        require_voice(config.snapshot(name), partial(config.origin, name))


def require_voices_of(read: Configuration, source: str, config: ConfigManager) -> None:
    """The same, of those whom a re-read file would change."""
    foreseen = config.foreseen(read)

    def origin(name: str, key: str) -> str:
        says, holds = (getattr(each.characters[name], key) for each in (read, foreseen))
        return source if says == holds else str(config.store.path)

    for name in foreseen.characters:
        snapshot = take_snapshot(foreseen, name)
        if name not in config.names or snapshot != config.snapshot(name):
            require_voice(snapshot, partial(origin, name))


def require_voice(snapshot: Snapshot, origin: Origin) -> None:
    """Raises ConfigError when the character's voice engine, or its voice in there, does not exist.

    An engine whose package is not installed is no mistake of the configuration.
    """
    engine = engine_of(snapshot)
    if engine is None:
        return
    try:
        get_tts_worker(engine).open_voice(snapshot.character.voice)
    except UnknownWorker as error:
        raise _refused(snapshot, "tts", origin, "is no voice engine", (NATIVE, *error.accepted)) from error
    except UnknownVoice as error:
        raise _refused(snapshot, "voice", origin, f"the engine {engine} does not have", error.accepted) from error
    except VoiceMissing:
        return


def engine_of(snapshot: Snapshot) -> str | None:
    """The engine that has to know the voice; None where it is the provider's own business."""
    if snapshot.character.tts != NATIVE:
        return snapshot.character.tts
    if snapshot.provider.kind is not ProviderKind.LOCAL:
        return None
    return SCRIPTED_VOICE if snapshot.provider.model == SCRIPTED else EMBEDDED_VOICE


def _refused(snapshot: Snapshot, key: str, origin: Origin, why: str, accepted: tuple[str, ...]) -> ConfigError:
    found = getattr(snapshot.character, key)
    problem = f"{dotted(('characters', snapshot.name, key))} is {shown(found)}, which {why}"
    return ConfigError(origin(key), f"{problem}{suggestion(found, accepted)}; accepted: {', '.join(accepted)}")
