"""Log-mel spectrograms as Whisper was trained on them.

Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", section 2.2: 16 kHz, windows of 25 ms
every 10 ms, 80 mel channels; the filters are Slaney's (Auditory Toolbox, 1998), as in Whisper's published assets.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from neko.local.engines import HEARING_HZ

WINDOW = 400  # samples: 25 ms
HOP = 160  # samples: 10 ms
MEL_BANDS = 80
DYNAMIC_RANGE = 8.0  # decades below the loudest point: 80 dB

_LINEAR_STEP_HZ = 200.0 / 3  # Slaney's scale: linear up to 1 kHz,
_LOG_START_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27  # then 27 steps for each factor of 6.4

Floats = npt.NDArray[np.float32]


def log_mel(samples: Floats, frames: int) -> Floats:
    """The spectrogram, (80, frames) float32, of samples in [-1, 1] at 16 kHz, silence behind them.

    Samples that do not fit into `frames` hops of 10 ms are cut off.
    """
    padded = np.zeros(frames * HOP, dtype=np.float32)
    kept = samples[: padded.size]
    padded[: kept.size] = kept
    centred = np.pad(padded, WINDOW // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(centred, WINDOW)[::HOP][:frames]
    power = np.abs(np.fft.rfft(windows * _hann(), axis=1)) ** 2
    mel = np.log10(np.maximum(_filters() @ power.T.astype(np.float32), 1e-10))
    floored = np.maximum(mel, mel.max() - DYNAMIC_RANGE)
    return np.ascontiguousarray((floored + 4.0) / 4.0, dtype=np.float32)


@functools.cache
def _hann() -> Floats:
    """Periodic, as in a Fourier transform of a running signal (numpy's own is symmetric)."""
    return np.hanning(WINDOW + 1)[:-1].astype(np.float32)


@functools.cache
def _filters() -> Floats:
    """(80, 201): triangles between neighbouring points of the mel scale, each of unit area."""
    bins = np.fft.rfftfreq(WINDOW, 1 / HEARING_HZ)
    edges = _mel_to_hz(np.linspace(0.0, _hz_to_mel(HEARING_HZ / 2), MEL_BANDS + 2))
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


def _hz_to_mel(hz: float) -> float:
    """Of a frequency above 1 kHz."""
    return float(_LOG_START_HZ / _LINEAR_STEP_HZ + np.log(hz / _LOG_START_HZ) / _LOG_STEP)


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    knee = _LOG_START_HZ / _LINEAR_STEP_HZ
    return np.where(mel < knee, mel * _LINEAR_STEP_HZ, _LOG_START_HZ * np.exp(_LOG_STEP * (mel - knee)))
