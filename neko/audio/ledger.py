"""What became of every sample of one character's conversation: the person's sound, and the character's."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction

from neko.audio.pcm import BYTES_PER_SAMPLE

# Facebook's "flick" (2018): a whole number of them lasts as long as one sample at each rate in use, from 8 to 192 kHz,
# so that sums neither drift nor depend on their order. At other rates an entry is less than 2 ns too short.
FLICKS_PER_S = 705_600_000


class Heard(StrEnum):
    """The fate of what the microphone brought."""

    UTTERANCE = "utterance"  # a session made use of it
    QUIET = "quiet"  # it was given to a session, between two utterances
    BACKLOG = "backlog"  # too much waited for a session
    STALE = "stale"  # older than the session
    DEAF = "deaf"  # the session takes no sound
    TOO_LONG = "too_long"  # its session was lost, and the utterance longer than any that is kept
    ENDED = "ended"  # the session ended before anybody made use of it


class Spoken(StrEnum):
    """The fate of the sound of a reply."""

    SENT = "sent"
    CUT = "cut"  # the person cut in, or ended the session
    DROPPED = "dropped"  # nobody was there to hear it


LOST = frozenset({Heard.BACKLOG, Heard.TOO_LONG})  # the person spoke to a session, and no session will ever know


class Ledger:
    """Entries are made where a sound is let go of, each of them once; nothing is counted before."""

    def __init__(self) -> None:
        self._heard = dict.fromkeys(Heard, 0)
        self._spoken = dict.fromkeys(Spoken, 0)

    def heard(self, fate: Heard, size_bytes: int, hz: int) -> None:
        """So many bytes of PCM16 mono of the microphone; `hz` may be 0 for none."""
        if size_bytes:
            self._heard[fate] += flicks(size_bytes, hz)

    def spoken(self, fate: Spoken, size_bytes: int, hz: int) -> None:
        """So many bytes of PCM16 mono of a reply."""
        if size_bytes:
            self._spoken[fate] += flicks(size_bytes, hz)

    @property
    def heard_ms(self) -> Mapping[Heard, Fraction]:
        """Exact, every fate, until now."""
        return {fate: _ms(count) for fate, count in self._heard.items()}

    @property
    def spoken_ms(self) -> Mapping[Spoken, Fraction]:
        """Exact, every fate, until now."""
        return {fate: _ms(count) for fate, count in self._spoken.items()}

    @property
    def lost_ms(self) -> Fraction:
        """The person's sound that was lost until now; between two moments, the difference."""
        return _ms(sum(self._heard[fate] for fate in LOST))


def flicks(size_bytes: int, hz: int) -> int:
    """How long so many bytes of PCM16 mono last."""
    return size_bytes * FLICKS_PER_S // (BYTES_PER_SAMPLE * hz)


def bytes_in(count: int, hz: int) -> int:
    """How many bytes of PCM16 mono last so many flicks, rounded down to whole samples."""
    return count * hz // FLICKS_PER_S * BYTES_PER_SAMPLE


def _ms(count: int) -> Fraction:
    return Fraction(count * 1000, FLICKS_PER_S)
