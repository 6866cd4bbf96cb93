"""What became of tagged blocks: how many were lost, doubled or reordered on their way."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from attrs import frozen

from neko.audio.pcm import pieces
from neko.testing import TagReader
from neko.testing.tagged import BLOCK_MS
from neko.testing.vad import Activity, EnergyVad

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@frozen
class Fate:
    """Numbers of blocks. All zero: every block came, once, in its place."""

    lost: int = 0
    doubled: int = 0
    reordered: int = 0

    def __add__(self, other: Fate) -> Fate:
        return Fate(self.lost + other.lost, self.doubled + other.doubled, self.reordered + other.reordered)


@frozen
class Hearing:
    """What one model session heard: all tagged blocks, and those of each utterance that it committed.

    It made use of the utterances that it began to answer, which are the first ones. One that it committed and did not
    answer, because it was lost or replaced before, is owed to another session: without that it is lost.
    """

    model: str  # that the session was opened with: the benchmark's name for the server that opened it
    open: bool
    blocks: tuple[int, ...]
    utterances: tuple[tuple[int, ...], ...]
    answered: int
    spoke: tuple[int, ...] = ()  # blocks of replies
    left_at: tuple[float, ...] = ()  # when each of them left, in `time.perf_counter()`

    @property
    def used(self) -> tuple[tuple[int, ...], ...]:
        """What counts."""
        return self.utterances[: self.answered]


def committed(pcm: bytes, hz: int, silence_ms: int) -> list[tuple[int, ...]]:
    """The tagged blocks of each utterance that a provider with this voice detection makes of the sound.

    The simulator's own detector judges the sound again from its first sample, so it decides the same. What came after
    the last commit is in no utterance: nobody made use of it.
    """
    vad, reader = EnergyVad(hz, silence_ms), TagReader(hz)
    utterances: list[tuple[int, ...]] = []
    since = bytearray()
    for block in pieces(pcm, BLOCK_MS, hz):
        since += block
        if Activity.STOPPED in vad.push(block):
            # The silence that ended the utterance has pushed its last block through the reader.
            utterances.append(tuple(reader.push(bytes(since))))
            since.clear()
    return utterances


def arrived(said: range, utterances: Iterable[Sequence[int]]) -> Fate:
    """What became of one utterance of the person among those that sessions made use of, whichever sessions these were.

    It has arrived where most of it did. A block that is not there is lost, also when another utterance has it: a
    sentence that is torn in two has not been understood. One that was made use of more than once is doubled.
    """
    shares = [[block for block in each if block in said] for each in utterances]
    home = max(shares, key=lambda share: len(set(share)), default=[])
    everywhere = Counter(block for share in shares for block in share)
    doubled = everywhere.total() - len(everywhere)
    return Fate(len(said) - len(set(home)), doubled, _descents(home))


def spoken(expected: int, blocks: Sequence[int]) -> Fate:
    """What became of one reply of `expected` blocks, of which the client got these.

    A provider numbers the blocks of all that it says at the same time, so the numbers of a reply rise with gaps.
    """
    different = len(set(blocks))
    return Fate(max(0, expected - different), len(blocks) - different, _descents(blocks))


def shared(said: range, hearings: Iterable[Hearing]) -> int:
    """How many blocks of an utterance more than one session heard, committed or not. No fault by itself."""
    times = Counter(block for hearing in hearings for block in {*hearing.blocks} if block in said)
    return sum(1 for count in times.values() if count > 1)


def _descents(blocks: Sequence[int]) -> int:
    # A second copy is doubled, not reordered: only the first of each counts here.
    return sum(1 for before, after in pairwise(dict.fromkeys(blocks)) if after < before)
