"""Whether the person comes back after so long that the character speaks first, and with what in mind."""

from __future__ import annotations

from datetime import datetime

from attrs import define, field

from neko.conversation.history import History, Role, Utterance

GREET = (
    "The person is here again, {apart} after you talked last; now it is {now}. Greet them now, in your own words and "
    "manner, in a sentence or two."
)
UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))
# Half past eleven is night; these are the hours at which people begin to say otherwise.
PARTS_OF_THE_DAY = ((5, "night"), (12, "morning"), (18, "afternoon"), (23, "evening"), (24, "night"))


@define(eq=False)
class Absence:
    """One character's. A greeting is due from the moment when the person is back until it is given or anything is
    said, so that there is one for each absence."""

    _history: History
    _over: Utterance | None = field(default=None, init=False)  # what was said last before the absence that is over

    def ended(self, longer_than_s: float, now: float) -> bool:
        """The person is there, at this Unix time. True when a greeting is due; 0 s: never."""
        last = self._last
        if longer_than_s and last is not None and now - last.at >= longer_than_s:
            self._over = last
        return self.due

    @property
    def due(self) -> bool:
        return self._over is not None and self._over is self._last

    def greeting(self, now: datetime) -> str:
        """How the character is asked to greet; it must be due, and is given with that. `now` is local."""
        assert self._over is not None
        apart, self._over = now.timestamp() - self._over.at, None
        return GREET.format(apart=_duration(apart), now=_time_of_day(now))

    @property
    def _last(self) -> Utterance | None:
        return self._history.last(Role.USER, Role.ASSISTANT)


def _duration(seconds: float) -> str:
    """In the largest unit of which there are two, or in minutes."""
    name, size = next((unit for unit in UNITS if seconds >= 2 * unit[1]), UNITS[-1])
    count = round(seconds / size)
    return f"about {count} {name}{'' if count == 1 else 's'}"


def _time_of_day(now: datetime) -> str:
    part = next(name for until, name in PARTS_OF_THE_DAY if now.hour < until)
    return f"{now:%A} {part}, {now:%H:%M}"
