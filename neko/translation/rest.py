"""A step that fails is left alone for a while: an offline laptop does not wait for each sentence anew."""

from __future__ import annotations

from collections import defaultdict
from math import inf

from attrs import define, field

from neko.conversation.backoff import Backoff

AT_LEAST_S = 10.0  # the next reply but one
MORE_S, MORE_MOST_S = 5.0, 290.0  # on top, by chance; after five minutes a network that is back is noticed


@define
class Rest:
    """Times are seconds of the caller's clock."""

    until: float = -inf
    _backoff: Backoff = field(factory=lambda: Backoff(MORE_S, MORE_MOST_S))

    def failed(self, now: float, *, for_good: bool = False) -> None:
        """Longer each time, until it has worked; `for_good`, as long as this process lives."""
        self.until = inf if for_good else now + self._backoff.next_s(at_least_s=AT_LEAST_S)

    def worked(self) -> None:
        self.until = -inf
        self._backoff.reset()


LANGUAGES = 1_000  # that steps cannot write, of all steps together; more than there are in use


@define
class Rests:
    """Of all steps, each as a whole and for single languages: one that cannot write Japanese may write German."""

    _steps: defaultdict[str, Rest] = field(factory=lambda: defaultdict(Rest), init=False)
    _languages: dict[tuple[str, str], Rest] = field(factory=dict, init=False)

    def awake(self, step: str, wanted: str, now: float) -> bool:
        return max(self._steps[step].until, self._languages.get((step, wanted), Rest()).until) <= now

    def worked(self, step: str, wanted: str) -> None:
        self._steps[step].worked()
        self._languages.pop((step, wanted), None)

    def failed(self, step: str, now: float, *, for_good: bool = False) -> None:
        self._steps[step].failed(now, for_good=for_good)

    def cannot(self, step: str, wanted: str, now: float) -> None:
        """It answers, in another language than that."""
        self._languages.setdefault((step, wanted), Rest()).failed(now)
        if len(self._languages) > LANGUAGES:
            del self._languages[next(iter(self._languages))]
