"""One continuous sound from one rate to another, without a seam between its chunks."""

from __future__ import annotations

import numpy as np
import soxr

from neko.audio.pcm import BYTES_PER_SAMPLE

# 16-bit rounding alone limits a full-scale sine to 98 dB; HQ keeps what is below that and costs 5-10 µs for 20 ms.
QUALITY = "HQ"
# Holds back half as much, since its filter is as much shorter: flat to three quarters of the band, -3 dB at 6.5 kHz of
# the 8 kHz that a microphone at 16 kHz has.
PROMPT_QUALITY = "LQ"


class SpeechResampler:
    """Resamples PCM16 mono as one stream; one instance for each speech or utterance.

    The filter holds back 4 to 38 ms, which `flush` gives out: n samples in become
    exactly n * to_hz / from_hz samples out over the whole stream (for a whole ratio). `prompt`: 1 to 20 ms, for what
    somebody waits to be answered.
    """

    def __init__(self, from_hz: int, to_hz: int, *, prompt: bool = False) -> None:
        self.from_hz = from_hz
        self.to_hz = to_hz
        self._stream = (
            None
            if from_hz == to_hz
            else soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality=PROMPT_QUALITY if prompt else QUALITY)
        )
        self._odd = b""

    def push(self, pcm: bytes) -> bytes:
        """What can be given out after this chunk. Half a sample at its end waits for its other half."""
        whole = self._odd + pcm
        cut = len(whole) - len(whole) % BYTES_PER_SAMPLE
        self._odd = whole[cut:]
        return self._through(whole[:cut], last=False)

    def flush(self) -> bytes:
        """The rest of the sound. The stream takes no more after it."""
        return self._through(b"", last=True)

    def _through(self, pcm: bytes, *, last: bool) -> bytes:
        if self._stream is None:
            return pcm
        samples = np.frombuffer(pcm, dtype="<i2")
        out: bytes = self._stream.resample_chunk(samples, last=last).tobytes()
        return out
