"""Where an utterance begins and ends, from the detector's probabilities alone: no sound, no I/O, no clock."""

from __future__ import annotations

from enum import Enum, auto
from math import ceil

from neko.local.engines import DETECTOR_FRAME, HEARING_HZ

FRAME_MS = DETECTOR_FRAME / HEARING_HZ * 1000
FRAMES_TO_START = 3  # 96 ms in a row: a click fills one frame, and makes the detector ring for one more
FRAMES_TO_RESUME = 2  # somebody who was just speaking needs less proof, but still more than a click
# A suspicion costs 0.1 s of recognition, which is thrown away when the person goes on; a right one, later, would cost
# them a wait. Shorter than this are the closures of consonants.
SUSPECT_AFTER_MS = 128
HYSTERESIS = 0.15  # silero's own iterator lets a voice fall so far below the threshold before it counts as gone


class Verdict(Enum):
    """What one frame changed."""

    STARTED = auto()
    """The person speaks since `FRAMES_TO_START` frames."""
    SUSPECTED = auto()
    """They may have finished."""
    RESUMED = auto()
    """They had not."""
    ENDED = auto()
    """They have."""


class _State(Enum):
    QUIET = auto()
    SPEAKING = auto()
    DOUBTING = auto()


class Endpointer:
    """One stream of frames of `FRAME_MS` each. Durations are kept at least, rounded up to whole frames."""

    def __init__(self, threshold: float, silence_ms: int) -> None:
        self._threshold = threshold
        self._end_after = max(1, ceil(silence_ms / FRAME_MS))
        self._suspect_after = ceil(SUSPECT_AFTER_MS / FRAME_MS)
        self.reset()

    @property
    def speaking(self) -> bool:
        """Between `STARTED` and `ENDED`."""
        return self._state is not _State.QUIET

    def reset(self) -> None:
        """As if nothing had been heard."""
        self._state = _State.QUIET
        self._voiced = 0
        self._silent = 0

    def push(self, probability: float) -> Verdict | None:
        """The verdict of the next frame; None when it changes nothing."""
        bar = self._threshold - HYSTERESIS if self._state is _State.SPEAKING else self._threshold
        self._voiced = self._voiced + 1 if probability >= bar else 0
        return self._listen() if self._state is _State.QUIET else self._follow()

    def _listen(self) -> Verdict | None:
        if self._voiced < FRAMES_TO_START:
            return None
        self._state = _State.SPEAKING
        self._silent = 0
        return Verdict.STARTED

    def _follow(self) -> Verdict | None:
        if self._voiced >= FRAMES_TO_RESUME:
            self._silent = 0
            doubted, self._state = self._state is _State.DOUBTING, _State.SPEAKING
            return Verdict.RESUMED if doubted else None
        if self._voiced:
            # A click or a first sound: it ends nothing, and does not begin the silence anew either.
            return None
        self._silent += 1
        if self._silent >= self._end_after:
            self.reset()
            return Verdict.ENDED
        if self._state is _State.SPEAKING and self._silent >= self._suspect_after:
            self._state = _State.DOUBTING
            return Verdict.SUSPECTED
        return None
