"""Voice activity by energy alone: enough for tagged sound, and as abrupt as a test wants it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from neko.audio.pcm import BYTES_PER_SAMPLE, bytes_for
from neko.testing.tagged import BLOCK_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

THRESHOLD_RMS = 300  # between tagged sound (3,240) and unvoiced tags (65)


class Activity(StrEnum):
    STARTED = "started"
    STOPPED = "stopped"


class EnergyVad:
    """Speech starts with the first voiced 10 ms and stops after `silence_ms` without any.

    `heard_ms` is how much sound it has judged: the time of the last activity.
    """

    def __init__(self, rate: int, silence_ms: int) -> None:
        self.silence_ms = silence_ms
        self.heard_ms = 0
        self._rate = rate
        self._unjudged = b""
        self._quiet_ms: int | None = None  # since the last voiced block; None while nobody speaks

    def push(self, pcm: bytes) -> Iterator[Activity]:
        """What happens in this sound, in order; PCM16 mono in pieces of any size."""
        pcm = self._unjudged + pcm
        block = bytes_for(BLOCK_MS, self._rate)
        whole = len(pcm) - len(pcm) % block
        self._unjudged = pcm[whole:]
        for loudness in _rms(pcm[:whole], block):
            self.heard_ms += BLOCK_MS
            yield from self._judge(loudness >= THRESHOLD_RMS)

    def end(self) -> Iterator[Activity]:
        """No more sound will come: whoever speaks has stopped."""
        if self._quiet_ms is not None:
            self._quiet_ms = None
            yield Activity.STOPPED

    def reset(self) -> None:
        """Nobody speaks any more, as after a commit or a clear by hand."""
        self._quiet_ms = None

    def _judge(self, voiced: bool) -> Iterator[Activity]:
        if voiced:
            if self._quiet_ms is None:
                yield Activity.STARTED
            self._quiet_ms = 0
        elif self._quiet_ms is not None:
            self._quiet_ms += BLOCK_MS
            if self._quiet_ms >= self.silence_ms:
                self._quiet_ms = None
                yield Activity.STOPPED


def _rms(pcm: bytes, block: int) -> list[float]:
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64).reshape(-1, block // BYTES_PER_SAMPLE)
    loudness: list[float] = np.sqrt((samples * samples).mean(axis=1)).tolist()
    return loudness
