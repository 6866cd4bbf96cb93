"""What the streaming resampler does to a sound that comes in 20 ms chunks."""

from __future__ import annotations

import numpy as np
from attrs import frozen

from neko.audio.pcm import BYTES_PER_SAMPLE, pieces
from neko.audio.resample import SpeechResampler

MODEL_HZ = 24_000  # what the model speaks at
CLIENT_HZ = 48_000  # what a client plays
CHUNK_MS = 20
SINES_HZ = (200, 500, 1_000, 2_000, 4_000, 6_000, 8_000, 10_000)
SECONDS = 2
AMPLITUDE = 0.5 * 2**15  # -6 dB: a filter that overshoots must not clip and be blamed for noise
# The first and the last 50 ms are left out: a sine that begins from nothing holds every frequency there.
EDGE_S = 0.05


@frozen
class Resampling:
    """Worst figures over all sines."""

    samples_in: int
    samples_out: int
    worst_snr_db: float
    worst_at_hz: int


def measure_resampling() -> Resampling:
    """24 to 48 kHz, 200 Hz to 10 kHz, two seconds each."""
    results = {hz: _through(hz) for hz in SINES_HZ}
    snr = {hz: _snr_db(out, hz) for hz, out in results.items()}
    worst = min(snr, key=lambda hz: snr[hz])
    samples_in = MODEL_HZ * SECONDS
    # The count that is farthest from right, so that one wrong stream cannot hide behind seven right ones.
    samples_out = max((len(out) for out in results.values()), key=lambda n: abs(n - 2 * samples_in))
    return Resampling(samples_in, samples_out, snr[worst], worst)


def _through(hz: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    at = np.arange(MODEL_HZ * SECONDS) / MODEL_HZ
    pcm = (AMPLITUDE * np.sin(2 * np.pi * hz * at)).round().astype("<i2").tobytes()
    resampler = SpeechResampler(MODEL_HZ, CLIENT_HZ)
    out = b"".join(resampler.push(chunk) for chunk in pieces(pcm, CHUNK_MS, MODEL_HZ)) + resampler.flush()
    assert len(out) % BYTES_PER_SAMPLE == 0
    return np.frombuffer(out, dtype="<i2")


def _snr_db(out: np.ndarray[tuple[int], np.dtype[np.int16]], hz: int) -> float:
    # What a sine of this frequency, of whatever phase and amplitude, does not explain is noise (least squares).
    edge = int(EDGE_S * CLIENT_HZ)
    got = out[edge:-edge].astype(float)
    phase = 2 * np.pi * hz * (np.arange(len(out))[edge:-edge] / CLIENT_HZ)
    basis = np.column_stack([np.sin(phase), np.cos(phase)])
    signal = basis @ np.linalg.lstsq(basis, got, rcond=None)[0]
    return float(10 * np.log10(np.sum(signal**2) / np.sum((got - signal) ** 2)))
