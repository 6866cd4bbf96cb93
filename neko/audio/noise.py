"""The person's sound without the noise around it: WebRTC's suppressor, between two resamplers where it is needed."""

from __future__ import annotations

import importlib.util
from typing import Any, Protocol

from neko.audio.pcm import BYTES_PER_SAMPLE
from neko.audio.resample import SpeechResampler

NOISE_HZ = 16_000  # the rate that the suppressor works at
FRAME = NOISE_HZ // 100 * BYTES_PER_SAMPLE  # bytes; it takes 10 ms at a time
# Its analysis is 256 samples wide and moves on by 160: so many samples its output is late
# (WebRTC, modules/audio_processing/ns/ns_common.h, kOverlapSize).
LATE = 96 * BYTES_PER_SAMPLE
PACKAGE = "webrtc_noise_gain"
NO_GAIN = 0  # dBFS; a level that follows the person would follow the noise between two words as well


class Ears(Protocol):
    """One continuous sound on its way from a microphone to a model; see `SpeechResampler`."""

    from_hz: int

    def push(self, pcm: bytes) -> bytes: ...

    def flush(self) -> bytes: ...


def ears(from_hz: int, to_hz: int, *, noise_suppression: int) -> Ears:
    """What hears a microphone for a model. `noise_suppression`: 0 (none) to 4 (most)."""
    if noise_suppression:
        return NoiseSuppressor(from_hz, to_hz, noise_suppression)
    return SpeechResampler(from_hz, to_hz, prompt=True)


def can_suppress() -> bool:
    """The package is installed."""
    return importlib.util.find_spec(PACKAGE) is not None


class NoiseSuppressor:
    """Takes noise out of PCM16 mono, as one stream; what comes out stays in time with what came in.

    As many samples come out as of a `SpeechResampler` between the same rates (give or take one), up to 16 ms later;
    about 50 µs of work for 10 ms of sound. What is above 8 kHz is lost.
    """

    def __init__(self, from_hz: int, to_hz: int, level: int) -> None:
        # Loaded here: most people never suppress anything.
        from webrtc_noise_gain import AudioProcessor

        self.from_hz = from_hz
        self._before = SpeechResampler(from_hz, NOISE_HZ, prompt=True)
        self._processor: Any = AudioProcessor(NO_GAIN, level)
        self._after = SpeechResampler(NOISE_HZ, to_hz, prompt=True)
        self._held = b""  # less than a frame
        self._early = LATE  # bytes of its output that belong to no sound

    def push(self, pcm: bytes) -> bytes:
        """What can be given out after this chunk."""
        return self._after.push(self._cleaned(self._before.push(pcm)))

    def flush(self) -> bytes:
        """The rest of the sound. The stream takes no more after it."""
        rest = self._before.flush()
        missing = len(self._held) + len(rest) + LATE - self._early
        silence = LATE + -(len(self._held) + len(rest) + LATE) % FRAME
        cleaned = self._cleaned(rest + bytes(silence))[:missing]
        return self._after.push(cleaned) + self._after.flush()

    def _cleaned(self, pcm: bytes) -> bytes:
        sound = self._held + pcm
        whole = len(sound) - len(sound) % FRAME
        self._held = sound[whole:]
        frames = (sound[start : start + FRAME] for start in range(0, whole, FRAME))
        cleaned = b"".join(self._processor.Process10ms(frame).audio for frame in frames)
        early = min(self._early, len(cleaned))
        self._early -= early
        return cleaned[early:]
