"""Whether a configured voice could speak, found out without having it speak."""

from __future__ import annotations

from collections.abc import Mapping

import trio

from neko.app.voicing import dial_for
from neko.config.model import VoiceSettings
from neko.realtime.trust import for_http
from neko.tts.errors import VoiceError
from neko.tts.espeak import EspeakVoice
from neko.tts.lines import open_lines
from neko.tts.remote import RemoteVoice
from neko.tts.setup import DEFAULT_VOICE, Setup
from neko.tts.worker import get_tts_worker


async def try_voice(settings: VoiceSettings, environ: Mapping[str, str]) -> str:
    """In words, what came of it. Raises `VoiceError`, and `ConfigError` when the key is not there."""
    key = settings.api_key(environ)
    async with open_lines(dial_for, await for_http("https:")) as lines:
        try:
            return await _try(settings, Setup(settings, api_key=key, lines=lines))
        except VoiceError as error:
            failure = error  # raised where it is not in a group
    raise failure


async def _try(settings: VoiceSettings, setup: Setup) -> str:
    voice = get_tts_worker(settings.kind).open_voice(settings.voice or DEFAULT_VOICE, setup)
    if not isinstance(voice, RemoteVoice | EspeakVoice):
        return f"{settings.kind}, on this machine"
    return await trio.to_thread.run_sync(voice.check)
