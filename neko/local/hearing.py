"""One client's microphone: from its PCM to utterances."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from attrs import field, frozen

from neko.audio.pcm import BYTES_PER_SAMPLE, bytes_for, duration_ms
from neko.audio.resample import SpeechResampler
from neko.local.endpointing import FRAME_MS, FRAMES_TO_START, Endpointer, Verdict
from neko.local.engines import DETECTOR_FRAME, HEARING_HZ, Detector
from neko.protocol.realtime.session import AudioInput, ServerVad

# Whisper hears 30 s at a time and the context is short: a longer utterance is committed in pieces.
MAX_UTTERANCE_MS = 60_000
_FRAME_BYTES = DETECTOR_FRAME * BYTES_PER_SAMPLE
_MAX_BYTES = bytes_for(MAX_UTTERANCE_MS, HEARING_HZ)


@frozen
class Started:
    """The person began to speak; the utterance begins `at_ms` into all the audio of the session."""

    at_ms: int


@frozen
class Suspected:
    """The person may have finished saying this: PCM16 mono at `HEARING_HZ`."""

    pcm: bytes = field(repr=False)


@frozen
class Resumed:
    """The person had not finished."""


@frozen
class Ended:
    """The person has said this."""

    at_ms: int
    pcm: bytes = field(repr=False)


@frozen
class Filled:
    """Manual turns: as much as one utterance may hold, and nobody has committed it."""

    pcm: bytes = field(repr=False)


Happening = Started | Suspected | Resumed | Ended | Filled


class Ear:
    """Hears one stream of PCM16. The detector hears every frame once and in order, or none in manual turns."""

    def __init__(self, detector: Detector, settings: AudioInput) -> None:
        self._detector = detector
        self._heard_bytes = 0
        # Since the last commit. The buffer is shorter: the resampler holds some of it back.
        self._given_ms = 0.0
        self._buffer = bytearray()
        self._rest = b""
        self._settings = settings
        self._new_stream()
        self._new_endpointer()

    def set(self, settings: AudioInput) -> None:
        """Other settings from the next sound on; what is already in the buffer stays there.

        Another turn detection begins with silence: it does not know of an utterance that the one before it follows.
        """
        before, self._settings = self._settings, settings
        if settings.format != before.format:
            self._new_stream()
        if settings.turn_detection != before.turn_detection:
            self._new_endpointer()

    @property
    def buffered_ms(self) -> float:
        """How much a commit would commit now."""
        if self._endpointer is None:
            return self._given_ms
        return duration_ms(len(self._buffer), HEARING_HZ) if self._endpointer.speaking else 0.0

    def hear(self, pcm: bytes) -> Iterator[Happening]:
        """What this sound means, in order."""
        self._given_ms += duration_ms(pcm, self._settings.format.rate)
        sound = self._rest + self._resampler.push(pcm)
        whole = len(sound) - len(sound) % _FRAME_BYTES
        self._rest = sound[whole:]
        for start in range(0, whole, _FRAME_BYTES):
            yield from self._frame(sound[start : start + _FRAME_BYTES])

    def take(self) -> bytes:
        """Everything in the buffer, to the last sample; the buffer is empty then."""
        pcm = bytes(self._buffer) + self._rest + self._resampler.flush()
        self.clear()
        return pcm

    def clear(self) -> None:
        self._heard_bytes += len(self._rest)
        self._rest = b""
        self._given_ms = 0.0
        self._buffer.clear()
        self._new_stream()
        self._new_endpointer()

    def _new_stream(self) -> None:
        self._resampler = SpeechResampler(self._settings.format.rate, HEARING_HZ)

    def _new_endpointer(self) -> None:
        vad = self._settings.turn_detection
        self._endpointer = Endpointer(vad.threshold, vad.silence_duration_ms) if vad else None
        self._kept_before = _padding(vad)

    def _frame(self, frame: bytes) -> Iterator[Happening]:
        self._buffer += frame
        self._heard_bytes += len(frame)
        if self._endpointer is None:
            yield from self._fill()
            return
        verdict = self._endpointer.push(self._detector.probability(frame))
        if verdict is not None:
            yield self._happening(verdict)
        elif not self._endpointer.speaking:
            del self._buffer[: max(0, len(self._buffer) - self._kept_before)]
        elif len(self._buffer) >= _MAX_BYTES:
            self._endpointer.reset()
            yield self._ended()

    def _happening(self, verdict: Verdict) -> Happening:
        match verdict:
            case Verdict.STARTED:
                return Started(self._now_ms(len(self._buffer)))
            case Verdict.SUSPECTED:
                return Suspected(bytes(self._buffer))
            case Verdict.RESUMED:
                return Resumed()
            case Verdict.ENDED:
                return self._ended()
            case _:
                assert_never(verdict)

    def _ended(self) -> Ended:
        pcm = bytes(self._buffer)
        self._buffer.clear()
        return Ended(self._now_ms(), pcm)

    def _fill(self) -> Iterator[Filled]:
        if len(self._buffer) >= _MAX_BYTES:
            pcm = bytes(self._buffer)
            self._buffer.clear()
            self._given_ms = 0.0
            yield Filled(pcm)

    def _now_ms(self, back: int = 0) -> int:
        return round(duration_ms(self._heard_bytes - back, HEARING_HZ))


def _padding(vad: ServerVad | None) -> int:
    """Bytes kept while nobody speaks: the padding, and the frames that prove the start."""
    ms = vad.prefix_padding_ms + (FRAMES_TO_START - 1) * FRAME_MS if vad else 0
    return bytes_for(ms, HEARING_HZ)
