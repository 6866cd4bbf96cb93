"""Who speaks for a character: its voice, and those that stand in while it is out of order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf

from attrs import define, field, frozen

from neko.tts.errors import VoiceFailed
from neko.tts.remote import RemoteVoice
from neko.tts.signals import Failed
from neko.tts.voice import Voice

FAILURES = 2  # in a row: one may be the network's, two are the voice's
FIRST_REST_S = 10.0  # before a voice that is out of order is tried again; twice as long after each time in vain
LONGEST_REST_S = 300.0


@frozen
class Member:
    """A voice under the name that the configuration knows it by."""

    name: str
    voice: Voice


@frozen
class Outage:
    """What is known of a voice that failed last time it was asked."""

    failures: int = 0
    rests_until: float = -inf
    told: bool = False  # the person knows that something is wrong
    replaced: bool = False  # … and that another voice speaks


@define(eq=False)
class Cast:
    """The voices of one character in one configuration, best first. The last one is asked however often it fails.

    It lives as long as that configuration, so that a voice rests from one reply to the next. Sync: decisions only.
    """

    members: tuple[Member, ...]
    _now: Callable[[], float]
    _outages: dict[str, Outage] = field(factory=dict, init=False)  # at most one for each member

    @property
    def rate(self) -> int:
        return self.members[0].voice.rate

    @property
    def at_once(self) -> int:
        """Sentences in the making. Engines of our own would only take the processor from each other."""
        voice = self.members[0].voice
        return voice.AT_ONCE if isinstance(voice, RemoteVoice) else 1

    def attempts(self) -> Iterator[Member]:
        """Whom to ask for a text, one after the other until one has spoken.

        A failure is told to `failed` before the next is taken; one that may pass is tried a second time at once.
        """
        for member in self.members:
            last = member is self.members[-1]
            if self._rests(member) and not last:
                continue
            yield member
            if not self._rests(member):
                yield member

    def worked(self, member: Member) -> None:
        self._outages.pop(member.name, None)

    def failed(self, member: Member, error: Exception, text: str, *, sounded: bool) -> Failed:
        """Enters it; what is to be said of it."""
        before = self._outages.get(member.name, Outage())
        failures = before.failures + 1
        rests = failures >= FAILURES or not isinstance(error, VoiceFailed) or error.permanent
        rest_s = min(FIRST_REST_S * 2 ** min(failures - 1, 10), LONGEST_REST_S) if rests else 0.0
        instead = None if sounded else self._following(member) if rests else member.name
        replaced = instead not in (None, member.name)
        news = not before.told if instead is None else replaced and not before.replaced
        self._outages[member.name] = Outage(
            failures, self._now() + rest_s, told=before.told or news, replaced=before.replaced or replaced
        )
        return Failed(member.name, text, str(error), instead, news)

    def _following(self, member: Member) -> str | None:
        """Who is asked next where this one rests."""
        following = self.members[self.members.index(member) + 1 :]
        return next((each.name for each in following if each is following[-1] or not self._rests(each)), None)

    def _rests(self, member: Member) -> bool:
        return self._now() < self._outages.get(member.name, Outage()).rests_until
