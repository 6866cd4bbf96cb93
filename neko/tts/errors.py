"""What can be wrong with a voice, before it speaks and while it does, as types; each text is one sentence a person can
act on."""

from __future__ import annotations

from attrs import frozen

_SAID = 200  # characters of what a server said that are worth repeating


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
    """The package or the command of a voice engine is not installed."""

    package: str
    extra: str = "local"
    how: str = ""

    def __str__(self) -> str:
        how = self.how or f"pip install 'neko[{self.extra}]'"
        return f"the voice needs {self.package}, which is not installed: {how}"


@frozen
class SettingMissing(VoiceError):
    """The engine cannot be used without a setting that `[voices.NAME]` does not have."""

    kind: str
    key: str
    accepted: str

    def __str__(self) -> str:
        return f"a voice of kind {self.kind} needs {self.key}: {self.accepted}"


@frozen
class VoiceFailed(VoiceError):
    """A voice did not speak, or broke off. `permanent`: trying again without a change will not help."""

    who: str
    why: str
    permanent: bool = False

    def __str__(self) -> str:
        return f"{self.who} {self.why}"


_BY_HTTP_STATUS = {
    401: ("refused the API key: check the variable that api_key_env names", True),
    402: ("wants to be paid: check the account's balance", True),
    403: ("refused the API key: check the variable that api_key_env names, and what the key may do", True),
    404: ("knows no such address, model or voice: check url, model and voice", True),
    429: ("was asked too often: it takes no more requests for now", False),
}


def refused(who: str, status: int, said: str) -> VoiceFailed:
    """The error for an HTTP status with which `who` refused a request or a handshake."""
    why, permanent = _BY_HTTP_STATUS.get(status, (f"answered HTTP {status}", 400 <= status < 500))
    return VoiceFailed(who, f"{why} ({brief(said)})" if said else why, permanent)


def brief(said: str) -> str:
    """What somebody else said, on one line and short enough for a message."""
    line = " ".join(said.split())
    return line if len(line) <= _SAID else f"{line[:_SAID]}…"
