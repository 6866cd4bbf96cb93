"""Silences within a reply: those that the client heard, and what of them was late at the provider already."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from attrs import frozen

from neko.audio.pcm import duration_ms
from neko.protocol.codec import SPEECH_HZ
from neko.testing import TagReader
from neko.testing.tagged import BLOCK_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from neko.bench.swap_count import Hearing

DELTA_MS = 40  # of speech in one event of the provider, which leaves when the one before has sounded
_DELTA_BLOCKS = DELTA_MS // BLOCK_MS


@frozen
class Departed:
    """One reply: its blocks, and when each left the provider, in `time.perf_counter()`, which the processes of one
    machine share."""

    blocks: Sequence[int]
    left_at: Sequence[float]

    def late_s(self, heard_ms: float) -> float:
        """How late the delta left without which nobody could have heard so much, counted from the first one.

        What a resampler holds back is less than a delta: who has heard more than n of them has got n + 1.
        """
        delta = min(ceil(heard_ms / DELTA_MS), ceil(len(self.blocks) / _DELTA_BLOCKS)) - 1
        return self.left_at[delta * _DELTA_BLOCKS] - self.left_at[0] - delta * DELTA_MS / 1000


def departures(hearings: Iterable[Hearing], reply_blocks: int) -> dict[int, Departed]:
    """By block. A session's replies follow each other, and only its last one may be broken off."""
    return {
        block: reply
        for each in hearings
        for at in range(0, len(each.spoke), reply_blocks)
        for reply in [Departed(each.spoke[at : at + reply_blocks], each.left_at[at : at + reply_blocks])]
        for block in reply.blocks
    }


def longest_stall_ms(pieces: Iterable[tuple[float, float]]) -> float:
    """The longest silence for who plays each piece, of so many milliseconds, when it comes or when the one before has
    sounded."""
    longest, played_until = 0.0, None
    for at, length_ms in pieces:
        if played_until is not None:
            longest = max(longest, at - played_until)
        played_until = max(at, played_until or at) + length_ms / 1000
    return longest * 1000


@frozen
class Seam:
    """The longest silences of one reply, in milliseconds."""

    heard_ms: float  # by the client
    provider_ms: float  # by a client that had got each delta at the moment when it left the provider
    server_ms: float  # by the client, had every delta left on time and taken as long on its way as it did


def seam(chunks: Sequence[tuple[float, bytes]], departed: Mapping[int, Departed]) -> Seam:
    """Of a reply that came in these chunks: (`time.perf_counter()`, PCM16 at 48 kHz)."""
    reader, reply, heard_ms = TagReader(SPEECH_HZ), Departed((), ()), 0.0
    heard: list[tuple[float, float]] = []
    on_time: list[tuple[float, float]] = []
    left: list[tuple[float, float]] = []
    for at, pcm in chunks:
        length_ms = duration_ms(pcm, SPEECH_HZ)
        heard_ms += length_ms
        for block in reader.push(pcm):
            if block not in departed:
                continue
            if departed[block] is not reply:
                reply, heard_ms = departed[block], length_ms
            left.append((reply.left_at[reply.blocks.index(block)], BLOCK_MS))
        heard.append((at, length_ms))
        on_time.append((at - (reply.late_s(heard_ms) if reply.blocks else 0.0), length_ms))
    return Seam(longest_stall_ms(heard), longest_stall_ms(left), longest_stall_ms(on_time))
