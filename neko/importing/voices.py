"""From the voice settings of N.E.K.O. to a `[voices.NAME]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from neko.importing.installation import CORE, words
from neko.importing.vendors import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neko.importing.installation import Installation

FIELDS = {"ttsModelProvider", "ttsModelUrl", "ttsModelId", "ttsVoiceId", "ttsModelApiKey", "gptsovitsEnabled"}
FOLLOWING = ("", "follow_core", "follow_assist")  # no provider was chosen; then the older switch counts
RECORDINGS = (".wav", ".mp3", ".flac", ".ogg", ".m4a")
SPEECH = "/audio/speech"  # N.E.K.O. keeps the whole address, our engine adds this itself


@frozen
class OwnVoice:
    """A voice's table, under the name that `tts` says; None: there was none, or none that could be carried, and why."""

    name: str = "native"
    table: Mapping[str, Any] | None = None
    secret: Secret | None = None
    why_not: str = ""


def own_voice(installation: Installation) -> OwnVoice:
    """The voice of the person's own endpoint. It counts where such endpoints are switched on."""
    core = installation.core
    if core.get("enableCustomApi") is not True:
        return OwnVoice()
    chosen, url = words(core, "ttsModelProvider"), words(core, "ttsModelUrl")
    if chosen == "gptsovits" or (chosen in FOLLOWING and core.get("gptsovitsEnabled") is True):
        return _gpt_sovits(url, words(core, "ttsVoiceId"))
    if chosen in FOLLOWING:
        return OwnVoice()
    if chosen == "custom" and url.startswith(("http://", "https://")):
        return _speech(core, url)
    return OwnVoice(why_not=f"{CORE}: ttsModelProvider {chosen!r} with ttsModelUrl {url!r}: no such voice engine here")


def _gpt_sovits(url: str, voice: str) -> OwnVoice:
    """Ours is given a recording; the name of a voice that a server of another make keeps says nothing to it."""
    if not voice.lower().endswith(RECORDINGS):
        named = f"ttsVoiceId {voice!r}" if voice else "no ttsVoiceId"
        return OwnVoice(why_not=f"{CORE}: GPT-SoVITS with {named}: here it needs the path of a reference recording")
    table = {"kind": "gpt-sovits", "voice": voice}
    return OwnVoice("gpt-sovits", table | ({"url": url} if url.startswith(("http://", "https://")) else {}))


def _speech(core: Mapping[str, Any], url: str) -> OwnVoice:
    has_key = bool(words(core, "ttsModelApiKey"))
    needs_key = has_key or url.startswith("https://")
    secret = Secret("TTS_API_KEY", "ttsModelApiKey" if has_key else "") if needs_key else None
    settings = {
        "kind": "openai",
        "url": url.rstrip("/").removesuffix(SPEECH),
        "model": words(core, "ttsModelId"),
        "voice": words(core, "ttsVoiceId"),
        "api_key_env": secret.variable if secret else "",
    }
    return OwnVoice("own-voice", {key: value for key, value in settings.items() if value}, secret)
