"""A step that fails is left alone for a while: an offline laptop does not wait for each sentence anew."""

from __future__ import annotations

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
