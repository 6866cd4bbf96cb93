"""PCM16 little-endian mono: how long it is, and how it is cut."""

from __future__ import annotations

from collections.abc import Iterator

BYTES_PER_SAMPLE = 2


def duration_ms(pcm: bytes | int, rate: int) -> float:
    """How long PCM16 mono (the sound itself, or its number of bytes) lasts at `rate` Hz."""
    size = pcm if isinstance(pcm, int) else len(pcm)
    return size / BYTES_PER_SAMPLE / rate * 1000


def bytes_for(ms: float, rate: int) -> int:
    """How many bytes of PCM16 mono last `ms`, rounded down to whole samples."""
    return int(ms * rate / 1000) * BYTES_PER_SAMPLE


def pieces(pcm: bytes, ms: int, rate: int) -> Iterator[bytes]:
    """The sound in order, in pieces of at most `ms`."""
    step = bytes_for(ms, rate)
    for start in range(0, len(pcm), step):
        yield pcm[start : start + step]
