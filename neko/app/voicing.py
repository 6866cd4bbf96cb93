"""The voices of our own, opened: who speaks for a character where its model brings words only."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

import trio
from attrs import field, frozen

from neko.app.embedded import Embedded
from neko.app.voices import EMBEDDED_VOICE, Part, parts_of
from neko.app.warm import Warm
from neko.config.errors import ConfigError
from neko.config.model import ProviderKind
from neko.config.snapshot import NATIVE, Snapshot
from neko.nurseries.ports import Voice
from neko.protocol.client import InputMode
from neko.realtime.dial import dial
from neko.realtime.errors import KeyRejected, ProviderError
from neko.sockets import Socket
from neko.telemetry import get_logger
from neko.tts.cast import Cast, Member
from neko.tts.errors import VoiceError, VoiceFailed, refused
from neko.tts.lines import Lines
from neko.tts.setup import Setup
from neko.tts.speaking import speak_in_order
from neko.tts.worker import get_tts_worker

log = get_logger("voicing")

WORDS_ONLY = {ProviderKind.LOCAL, ProviderKind.CHAT}  # text providers without a sound of their own


@frozen
class Voicing:
    """What a house has to speak with."""

    embedded: Embedded
    limiter: trio.CapacityLimiter
    lines: Lines
    environ: Mapping[str, str] = field(repr=False)
    _casts: dict[tuple[str, InputMode], tuple[object, Cast]] = field(factory=dict)  # the last of each character

    def voice(self, snapshot: Snapshot, mode: InputMode) -> Voice | None:
        """Our own voice for replies that come as words; None where the provider speaks, or nobody can.

        Raises:
            VoiceError: no such voice.
            ConfigError: its key is not there.
        """
        name = self._name(snapshot, mode)
        if name is None:
            return None
        wanted = (name, snapshot.character.voice, snapshot.character.language, snapshot.voices)
        known, cast = self._casts.get((snapshot.name, mode), (None, None))
        if cast is None or known != wanted:
            cast = Cast(tuple(self._members(snapshot, name)), trio.current_time)
            self._casts[snapshot.name, mode] = (wanted, cast)
        return Voice(cast.rate, partial(speak_in_order, cast, limiter=self.limiter))

    def _name(self, snapshot: Snapshot, mode: InputMode) -> str | None:
        if snapshot.character.tts != NATIVE:
            return snapshot.character.tts
        if mode is InputMode.AUDIO or snapshot.text_provider.kind not in WORDS_ONLY:
            return None
        warm = self.embedded.state
        if isinstance(warm, Warm):
            return warm.voice.name
        return EMBEDDED_VOICE if importlib.util.find_spec("hibari") else None

    def _members(self, snapshot: Snapshot, name: str) -> Iterator[Member]:
        first, *others = parts_of(snapshot, name)
        yield self._open(first, snapshot.character.language)
        for part in others:
            try:
                yield self._open(part, snapshot.character.language)
            except (ConfigError, VoiceError) as error:
                log.warning("voice.cannot_stand_in", voice=part.name, why=str(error))

    def _open(self, part: Part, language: str) -> Member:
        setup = Setup(part.settings, language, part.settings.api_key(self.environ), self.lines)
        return Member(part.name, get_tts_worker(part.settings.kind).open_voice(part.voice_id, setup))


@asynccontextmanager
async def dial_for(who: str, url: str, headers: Mapping[str, str]) -> AsyncIterator[Socket]:
    """How voices reach their WebSockets: as models do, with errors of their own."""
    try:
        async with dial(url, headers) as socket:
            yield socket
    except KeyRejected as error:
        raise refused(who, 401, error.details) from error
    except ProviderError as error:
        raise VoiceFailed(who, f"cannot be reached: {error.details}") from error
