"""What a voice is: text in, sound out, in a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

BLOCKS_PER_S = 10  # a cancelled speech may make at most one block, 100 ms, too much


class Voice(Protocol):
    """One way to speak. Cheap to make: what it must load, it loads at the first `synthesize`."""

    @property
    def rate(self) -> int:
        """Samples per second of what `synthesize` yields."""
        ...

    def synthesize(self, text: str) -> Iterator[bytes]:
        """The sound of a text: PCM16 little-endian mono, in blocks of at most 100 ms.

        Blocks its thread; several threads may speak with one voice. A text without anything to speak yields nothing.
        Closing the iterator ends the work. Raises `VoiceMissing` when the engine is not installed.
        """
        ...


OpenVoice = Callable[[str], Voice]
"""The voice of that id; raises `UnknownVoice`. Loads nothing, so the event loop may call it."""


def blocks(pcm: bytes, rate: int) -> Iterator[bytes]:
    """PCM16 mono cut into blocks of 100 ms, the last one shorter."""
    size = rate // BLOCKS_PER_S * 2
    for start in range(0, len(pcm), size):
        yield pcm[start : start + size]


def warm(voice: Voice) -> None:
    """Blocks: speak to nobody. The first call of a neural voice takes 0.8 s instead of 0.04."""
    for _ in voice.synthesize("Hello."):
        pass
