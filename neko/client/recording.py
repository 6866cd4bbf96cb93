"""Sound files: read as what a microphone would have heard, written as what a person hears."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soundfile
from attrs import field, frozen

from neko.audio.pcm import BYTES_PER_SAMPLE
from neko.audio.resample import SpeechResampler
from neko.client.errors import BadRecording
from neko.protocol.codec import SPEECH_HZ
from neko.protocol.stream import MIC_HZ

if TYPE_CHECKING:
    from pathlib import Path


@frozen
class Recording:
    """PCM16 little-endian mono at a rate that the protocol takes."""

    pcm: bytes = field(repr=lambda pcm: f"<{len(pcm)} bytes>")
    sample_rate: int

    @property
    def duration_s(self) -> float:
        return len(self.pcm) / BYTES_PER_SAMPLE / self.sample_rate


def read_recording(path: Path) -> Recording:
    """The sound in a WAV, FLAC, OGG or MP3 file, its channels mixed to one; blocks while it reads.

    Raises:
        BadRecording: it is no sound file, or an empty one.
    """
    try:
        samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise BadRecording(f"{path} cannot be read as sound: {error.error_string}") from None
    if not len(samples):
        raise BadRecording(f"{path} holds no sound")
    pcm = samples.mean(axis=1).round().astype("<i2").tobytes()
    return Recording(pcm, rate) if rate in MIC_HZ else _within_protocol(pcm, rate)


def write_wav(path: Path, speech: bytes) -> None:
    """Writes a character's speech (PCM16 mono at 48 kHz) as a WAV file; blocks. Raises OSError."""
    with path.open("wb") as file:
        soundfile.write(file, np.frombuffer(speech, dtype="<i2"), SPEECH_HZ, subtype="PCM_16", format="WAV")


def _within_protocol(pcm: bytes, rate: int) -> Recording:
    resampler = SpeechResampler(rate, SPEECH_HZ)
    return Recording(resampler.push(pcm) + resampler.flush(), SPEECH_HZ)
