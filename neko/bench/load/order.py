"""What the load generator is asked to do."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

MIC_MS = 20
FULL_BAND_MS = 10
QUIET = "quiet"  # a moment at which nothing happened


class Work(StrEnum):
    """What the sessions do."""

    BOTH = "both"  # microphone and reply without end: the worst case
    TURNS = "turns"  # one after the other; the microphone is never off
    IDLE = "idle"  # started, and silent


class MicFrames(StrEnum):
    """How a client sends its sound."""

    BASE64 = "base64"  # 20 ms at 16 kHz
    INTEGERS = "integers"  # 10 ms at 48 kHz, a JSON list

    @property
    def ms(self) -> int:
        return FULL_BAND_MS if self is MicFrames.INTEGERS else MIC_MS


@frozen
class Load:
    """What to do with one server."""

    url: str  # of the server, without the character
    sessions: int
    pid: int  # of the server
    seconds: float = 5.0
    work: Work = Work.BOTH
    frames: MicFrames = MicFrames.BASE64
    quality: str = "HQ"  # of the soxr stream with which the server resamples speech
