"""The person's sound that a model session was given and has not made use of yet."""

from __future__ import annotations

from enum import Enum, auto

from neko.audio.ledger import Heard, Ledger
from neko.audio.line import SoundLine
from neko.audio.onset import Onset
from neko.audio.pcm import bytes_for, duration_ms

LEAD_MS = 1_000  # kept while nobody speaks: voice detection begins an utterance 300 ms back and tells it a little later
UNTOLD_MS = 15_000  # kept where nobody tells that somebody speaks: few say more at a stretch without an answer
UTTERANCE_MS = 60_000  # kept of what was not answered; no provider listens longer without a commit


class Person(Enum):
    """What is known of the person."""

    QUIET = auto()
    LOUD = auto()  # seems to speak, where nobody tells
    SPEAKING = auto()
    CARRIED = auto()  # spoke to the session before; what this one makes of it is not known yet


_AT_REST = {Person.QUIET, Person.CARRIED}


class Given:
    """What another session must be given so that no word is lost when this one ends now.

    Positions are milliseconds of the sound given to this session, from its first sample: providers count so. What is
    given leaves in one of four ways, and only then is entered in the ledger: a reply answers it, it was quiet and
    grows old, it is handed over to another session (which enters it), or the session ends.
    """

    def __init__(self, hz: int, ledger: Ledger | None = None, *, tells_speech: bool = True) -> None:
        self.hz = hz
        self._ledger = ledger or Ledger()
        self._tells_speech = tells_speech
        self._most = bytes_for(UTTERANCE_MS, hz)
        self._untold_size = bytes_for(UNTOLD_MS, hz)
        self._lead_size = bytes_for(LEAD_MS, hz) if tells_speech else self._untold_size
        self._person = Person.QUIET
        self._onset = Onset(hz)  # of what is said, where nobody tells that somebody speaks
        self._too_long = 0  # bytes of what was not answered that are not kept any more
        self._committed = SoundLine()
        self._sound = SoundLine()
        self._carried = 0  # bytes of that, its oldest, that another session held before
        self._before = 0  # bytes before those

    def add(self, pcm: bytes) -> None:
        self._sound.add(pcm)
        if not self._tells_speech:
            self._listen(pcm)
        self._bound()

    def _listen(self, pcm: bytes) -> None:
        """Where nobody tells, what is loud counts as speech, until it is answered or a long silence has followed it."""
        if self._onset.push(pcm):
            if self._person in _AT_REST:
                self._person = Person.LOUD
        elif self._onset.hush >= self._untold_size and self._person is Person.LOUD:
            self._person = Person.QUIET

    def carry(self, pcm: bytes, *, wanted: bool) -> None:
        """What another session held, first of all; until this one is heard of, nothing of it is taken for quiet."""
        self._sound.add(pcm)
        if not self._tells_speech:
            self._onset.push(pcm)
        if wanted or len(self._sound) > self._lead_size:
            self._carried = len(self._sound)
        if wanted:
            self._person = Person.CARRIED
        self._bound()

    def began(self) -> None:
        """The person speaks: everything counts from the lead on."""
        self._person = Person.SPEAKING

    def ended(self, at_ms: float | None) -> None:
        """The session has the utterance up to here; without a position, all but what the person goes on saying."""
        # What alone was said is what the session has, whatever noise goes on behind it.
        self._commit(at_ms, self._onset.going_on if at_ms is None and self._onset.begun > 1 else 0)

    def answered(self, *, told: bool = False) -> None:
        """What the session has of the person is words by now, or a reply; `told`: it has said where that ended."""
        if not (self._tells_speech or told):
            self._commit(None, self._onset.going_on)
        self._enter(Heard.UTTERANCE, len(self._committed))
        self._committed.take(len(self._committed))
        if self._person in {Person.QUIET, Person.LOUD}:
            self._enter(Heard.UTTERANCE, self._too_long)
            self._too_long = 0

    def _commit(self, at_ms: float | None, goes_on: int) -> None:
        self._onset.begun = int(goes_on > 0)
        end = len(self._sound) - goes_on if at_ms is None else bytes_for(at_ms, self.hz) - self._before
        self._committed.add(self._take(end))
        if goes_on:
            self._carried = 0  # the session has been heard of
        self._person = Person.LOUD if goes_on else Person.QUIET
        self._bound()

    def hand_over(self) -> None:
        """Another session has been given `pcm`: its fate is entered there, and here only that of what was too long."""
        self._enter(Heard.TOO_LONG, self._too_long)
        self._forget()

    def end(self) -> None:
        """The session ends, and no other takes its place."""
        quiet = 0 if self._person in {Person.SPEAKING, Person.LOUD} else len(self._sound) - self._carried
        self._enter(Heard.QUIET, quiet)
        self._enter(Heard.ENDED, self._too_long + self.held - quiet)
        self._forget()

    @property
    def carried(self) -> bool:
        """Somebody spoke to the session before, and this one has not said yet what it makes of that."""
        return self._person is Person.CARRIED or (self._person is Person.LOUD and self._carried > 0)

    @property
    def speaking(self) -> bool:
        """The session has said that somebody speaks, and not yet that they fell silent."""
        return self._person is Person.SPEAKING

    @property
    def wanted(self) -> bool:
        """Somebody is speaking, or has spoken and not been answered."""
        return self._person is not Person.QUIET or bool(self._committed)

    @property
    def pcm(self) -> bytes:
        """An utterance that was not answered, and what was given since; at rest the lead."""
        return bytes(self._committed) + bytes(self._sound)

    @property
    def held(self) -> int:
        """How many bytes `pcm` has."""
        return len(self._committed) + len(self._sound)

    @property
    def lost_ms(self) -> float:
        """So much of what was not answered is lost if another session takes over."""
        return duration_ms(self._too_long, self.hz) if self._too_long else 0.0

    def _bound(self) -> None:
        if len(self._sound) - self._carried > self._untold_size and self._person in _AT_REST:
            # The session has heard what was carried, long enough to have said that somebody spoke in it.
            self._carried, self._person = 0, Person.QUIET
        if self._person is Person.QUIET and not self._carried:
            self._enter(Heard.QUIET, len(self._take(len(self._sound) - self._lead_size)))
        excess = max(0, self.held - self._most)
        oldest = min(excess, len(self._committed))
        self._committed.take(oldest)
        self._take(excess - oldest)
        self._too_long += excess

    def _take(self, size: int) -> bytes:
        """The oldest of the sound; nothing for a size below 0."""
        taken = self._sound.take(size)
        self._before += len(taken)
        self._carried = max(0, self._carried - len(taken))
        return taken

    def _enter(self, fate: Heard, size: int) -> None:
        self._ledger.heard(fate, size, self.hz)

    def _forget(self) -> None:
        self._take(len(self._sound))
        self._committed.take(len(self._committed))
        self._too_long = 0
