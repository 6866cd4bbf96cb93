"""What can be wrong with a voice before it speaks, as types; each text is one sentence a person can act on."""

from __future__ import annotations

from attrs import frozen


class VoiceError(Exception):
    """A character cannot speak as configured."""


@frozen
class UnknownWorker(VoiceError):
    """No voice engine has that name."""

    name: str
    accepted: tuple[str, ...]

    def __str__(self) -> str:
        return f"there is no voice engine {self.name!r}: accepted are {', '.join(self.accepted)}"


@frozen
class UnknownVoice(VoiceError):
    """The voice engine has no voice of that id."""

    voice_id: str
    accepted: tuple[str, ...]

    def __str__(self) -> str:
        return f"there is no voice {self.voice_id!r}: accepted are {', '.join(self.accepted)}"


@frozen
class VoiceMissing(VoiceError):
    """The package of a voice engine is not installed."""

    package: str
    extra: str = "local"

    def __str__(self) -> str:
        return f"the voice needs {self.package}, which is not installed: pip install 'neko[{self.extra}]'"
