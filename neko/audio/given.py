"""The person's sound that a model session was given and has not made use of yet."""

from __future__ import annotations

from neko.audio.pcm import bytes_for, duration_ms

LEAD_MS = 1_000  # kept while nobody speaks: voice detection begins an utterance 300 ms back and tells it a little later
UTTERANCE_MS = 60_000  # kept of one utterance; no provider listens longer without a commit


class Given:
    """What another session must be given so that no word is lost when this one ends now.

    Positions are milliseconds of the sound given to this session, from its first sample: providers count so.
    """

    def __init__(self, hz: int) -> None:
        self.hz = hz
        self.lost_ms = 0.0  # of an utterance, because it was longer than any that is kept
        self._committed = bytearray()
        self._sound = bytearray()
        self._dropped = 0  # bytes before those
        self._speaking = False

    def add(self, pcm: bytes) -> None:
        self._sound += pcm
        excess = len(self._sound) - bytes_for(UTTERANCE_MS if self._speaking else LEAD_MS, self.hz)
        if excess > 0:
            self._drop(excess)
            self.lost_ms += duration_ms(excess, self.hz) if self._speaking else 0.0

    def began(self) -> None:
        """The person speaks: everything counts from the lead on."""
        self._speaking = True

    def ended(self, at_ms: float | None) -> None:
        """The session has the utterance up to here; without a position, all that was given."""
        self._speaking = False
        end = self._dropped + len(self._sound) if at_ms is None else bytes_for(at_ms, self.hz)
        size = min(max(0, end - self._dropped), len(self._sound))
        self._committed += self._sound[:size]
        self._drop(size)

    def answered(self) -> None:
        """What the session has of the person is words by now, or a reply."""
        self._committed.clear()

    @property
    def wanted(self) -> bool:
        """Somebody is speaking, or has spoken and not been answered."""
        return self._speaking or bool(self._committed)

    @property
    def pcm(self) -> bytes:
        """An utterance that was not answered, and what was given since; at rest the last second."""
        return bytes(self._committed + self._sound)

    def _drop(self, size: int) -> None:
        del self._sound[:size]
        self._dropped += size
