"""How loud a sound is."""

from __future__ import annotations

import numpy as np

LOUD = 300.0  # RMS of 16-bit samples, -41 dBFS: quiet speech is above that, a room and its microphone below


def is_loud(pcm: bytes) -> bool:
    """PCM16 mono that may be speech; whole samples, any rate."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    return bool(len(samples)) and float(np.sqrt(np.mean(samples**2))) > LOUD
