"""What may happen a thousand times a second, said once a minute and with how often."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY_S = 60.0
KINDS = 100  # that are told apart; more than there are reasons in the code


class Seldom:
    """Counts by kind: the first of each is to be said at once, the next in a minute, with all between."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: dict[str, tuple[float, int]] = {}  # when, and how often since

    def count(self, kind: str) -> int:
        """How often it has happened since it was said last, when it is time to say so; otherwise 0."""
        now = self._clock()
        at, times = self._said.get(kind, (now - EVERY_S, 0))
        if now - at >= EVERY_S:
            if len(self._said) >= KINDS:
                self._said.clear()
            self._said[kind] = (now, 0)
            return times + 1
        self._said[kind] = (at, times + 1)
        return 0
