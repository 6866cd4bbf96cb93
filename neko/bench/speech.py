"""The spoken questions of the benchmark: their sound, their words, and where their speech ends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from neko.client import BadRecording, Recording, read_recording

if TYPE_CHECKING:
    from pathlib import Path

BLOCK_S = 0.01
# Relative to the loudest block of the file: 40 dB below it is breath and room, not speech.
VOICED_DB = -40.0
_LINE = re.compile(r"^- `(?P<file>[^`]+)`: (?P<text>.+)$", re.MULTILINE)


@frozen
class Question:
    """One recorded sentence."""

    name: str
    text: str
    recording: Recording
    speech_ends_s: float  # from the first sample to the end of the last voiced block


def read_questions(folder: Path) -> list[Question]:
    """The recordings that a `README.md` or `*.txt` in `folder` names in lines such as "- `a.wav`: Hello.".

    Raises:
        BadRecording: no text names a recording, or one that is named cannot be read.
    """
    texts = [path.read_text(encoding="utf-8") for path in sorted({*folder.glob("README.md"), *folder.glob("*.txt")})]
    named = [(found["file"], found["text"].strip()) for text in texts for found in _LINE.finditer(text)]
    if not named:
        raise BadRecording(f"no README.md or *.txt in {folder} has a line such as - `a.wav`: What was said.")
    return [_question(folder / file, text) for file, text in named]


def _question(path: Path, text: str) -> Question:
    recording = read_recording(path)
    return Question(path.name, text, recording, speech_end(recording))


def speech_end(recording: Recording) -> float:
    """Seconds to the end of the last 10 ms block whose energy is less than 40 dB below the loudest block."""
    samples = np.frombuffer(recording.pcm, dtype="<i2").astype(float)
    size = int(recording.sample_rate * BLOCK_S)
    blocks = samples[: len(samples) - len(samples) % size].reshape(-1, size)
    energy = np.mean(blocks**2, axis=1)
    if not energy.any():
        raise BadRecording("a recording holds nothing but silence")
    voiced = np.flatnonzero(energy > energy.max() * 10 ** (VOICED_DB / 10))
    return float((voiced[-1] + 1) * BLOCK_S)
