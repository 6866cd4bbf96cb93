"""PCM out of a WAV that is still being written: its header says neither its own length nor the sound's."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from neko.tts.errors import VoiceFailed

RIFF = 12  # bytes: "RIFF", a length, "WAVE"
CHUNK = struct.Struct("<4sI")
FORMAT = struct.Struct("<HHIIHH")  # format, channels, rate, bytes per second, bytes per frame, bits per sample
PCM, EXTENSIBLE = 1, 0xFFFE
LONGEST_HEADER = 64 * 1024  # bytes; whoever sends more before the sound sends no WAV


def unwrapped(who: str, pieces: Iterator[bytes]) -> tuple[int, Iterator[bytes]]:
    """The rate, and the PCM16 mono as it comes; rate 0 and nothing for no pieces at all. Raises `VoiceFailed`."""
    head, begin, rate = b"", RIFF, 0
    for piece in pieces:
        head += piece
        while len(head) >= begin + CHUNK.size:
            name, size = CHUNK.unpack_from(head, begin)
            body = begin + CHUNK.size
            if head[:4] != b"RIFF" or len(head) > LONGEST_HEADER:
                raise VoiceFailed(who, "sent something that is no WAV")
            if name == b"data":
                return rate, _rest(head[body:], pieces)
            if len(head) < body + size:
                break
            if name == b"fmt ":
                rate = _rate(who, head[body:])
            begin = body + size + size % 2
    if head:
        raise VoiceFailed(who, "sent something that is no WAV")
    return 0, iter(())


def _rate(who: str, body: bytes) -> int:
    form, channels, rate, _, _, bits = FORMAT.unpack_from(body)
    if form not in (PCM, EXTENSIBLE) or channels != 1 or bits != 16:
        found = f"format {form}, {channels} channels, {bits} bits"
        raise VoiceFailed(who, f"sent WAV that is not PCM16 mono ({found})", permanent=True)
    return int(rate)


def _rest(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces
