"""What a voice is: text in, sound out, in a thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from neko.tts.setup import PLAIN, Setup

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
        Closing the iterator ends the work. Raises `VoiceMissing` when the engine is not installed, `VoiceFailed` when
        it does not speak or breaks off.
        """
        ...


class OpenVoice(Protocol):
    def __call__(self, voice_id: str, setup: Setup = PLAIN, /) -> Voice:
        """The voice of that id; loads nothing and reaches nobody, so the event loop may call it.

        Raises `UnknownVoice`, and `SettingMissing` for what `[voices.NAME]` has to say.
        """
        ...


def blocks(pcm: bytes, rate: int) -> Iterator[bytes]:
    """PCM16 mono cut into blocks of 100 ms, the last one shorter."""
    size = rate // BLOCKS_PER_S * 2
    for start in range(0, len(pcm), size):
        yield pcm[start : start + size]


def whole_samples(pieces: Iterable[bytes], rate: int) -> Iterator[bytes]:
    """PCM16 mono as `blocks`, of pieces that may end in the middle of a sample. Half a sample at the end is dropped."""
    held = b""
    for piece in pieces:
        held += piece
        whole = len(held) // 2 * 2
        yield from blocks(held[:whole], rate)
        held = held[whole:]


def warm(voice: Voice) -> None:
    """Blocks: speak to nobody. The first call of a neural voice takes 0.8 s instead of 0.04."""
    for _ in voice.synthesize("Hello."):
        pass
