"""What a voice engine is told besides the voice's id: `[voices.NAME]`, the key, and the way out of this machine."""

from __future__ import annotations

from attrs import field, frozen

from neko.config.model import VoiceSettings
from neko.tts.errors import SettingMissing
from neko.tts.lines import NO_LINES, Lines

LOWEST_HZ, HIGHEST_HZ = 8_000, 192_000  # what is still a voice, and what any engine makes
DEFAULT_VOICE = "default"  # what a character has whose file names no voice: the engine's own choice


@frozen
class Setup:
    """`language` is the character's, such as "en" or "ja-JP"."""

    settings: VoiceSettings = field(factory=lambda: VoiceSettings(kind="none"))
    language: str = "en"
    api_key: str | None = field(default=None, repr=False)
    lines: Lines = NO_LINES

    def url(self, default: str) -> str:
        return (self.settings.url or default).rstrip("/")

    def model(self, default: str) -> str:
        return self.settings.model or default

    def options(self, **ours: object) -> dict[str, object]:
        """Fields of a request: ours, and over them what the configuration says. The rate is the engine's to place."""
        return ours | {key: value for key, value in self.settings.options.items() if key != "sample_rate"}

    def rate(self, default: int) -> int:
        """The option `sample_rate`: what the vendor is asked for, or what a server of one's own is known to send."""
        rate = self.settings.options.get("sample_rate", default)
        if type(rate) is not int or not LOWEST_HZ <= rate <= HIGHEST_HZ:
            accepted = f"a whole number from {LOWEST_HZ} to {HIGHEST_HZ}"
            raise SettingMissing(self.settings.kind, "options.sample_rate", accepted)
        return rate

    def require_key(self, kind: str, url: str) -> None:
        """A plain http:// or ws:// server is one of one's own and may do without."""
        if not self.settings.api_key_env and not url.startswith(("http://", "ws://")):
            raise SettingMissing(kind, "api_key_env", "the name of an environment variable that holds the API key")

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}


PLAIN = Setup()


def own_or(default: str, voice_id: str) -> str:
    """The vendor's name of a voice; the vendor's own choice for a character that names none."""
    return default if voice_id == DEFAULT_VOICE else voice_id
