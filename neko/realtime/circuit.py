"""Whether a provider is worth asking: after some failures in a row it is left alone, and then asked once.

A circuit breaker (Michael Nygard, "Release It!", 2007) that decides and does nothing.
Times are seconds of any one clock.
"""

from __future__ import annotations

from math import inf

from attrs import define, field

from neko.conversation.backoff import Backoff
from neko.realtime.errors import ProviderError

FAILURES = 5  # in a row, before a provider is left alone: one that restarts refuses a few dials
FIRST_S, MOST_S = 1.0, 60.0  # of the back-off between two probes
LASTING_S = 60.0  # a refused key or an unpaid bill is looked at again after a minute, whatever the configuration says


@define
class Circuit:
    """Of one provider, for everybody who asks it. Closed: it is asked. Open: it is not, and `error` says why.

    Whoever was admitted says how it went: `succeeded`, `failed`, or `withdrew` when nobody can tell.
    """

    _backoff: Backoff = field(factory=lambda: Backoff(FIRST_S, MOST_S))
    error: ProviderError | None = field(default=None, init=False)  # the last one, when it is open
    opened: int = field(default=0, init=False)  # times that it has opened
    _failures: int = field(default=0, init=False)  # in a row
    _retry_at: float = field(default=-inf, init=False)
    _probing: bool = field(default=False, init=False)  # somebody was admitted to find out whether it is back

    @property
    def open(self) -> bool:
        return self.error is not None

    def admit(self, now: float) -> ProviderError | None:
        """None: ask it, and say how it went. Otherwise why it is not asked now: an error of the kind of the last one.

        Of an open circuit one is admitted when the back-off is over.
        """
        if self.error is None:
            return None
        if not self._probing and now >= self._retry_at:
            self._probing = True
            return None
        wait_s = max(0.0, self._retry_at - now)
        return type(self.error)(f"{self.error.said.rstrip('.')} (it is left alone for now)", retry_after_s=wait_s)

    def succeeded(self) -> None:
        self._backoff.reset()
        self.error, self._failures, self._probing, self._retry_at = None, 0, False, -inf

    def failed(self, error: ProviderError, now: float) -> None:
        """It opens when that was one too many, when it will not pass by itself, or when the provider says how long."""
        self._failures += 1
        self._probing = False
        if self.open or error.lasting or error.retry_after_s is not None or self._failures >= FAILURES:
            self.opened += not self.open
            self.error = error
            self._retry_at = now + (LASTING_S if error.lasting else self._backoff.next_s(error.retry_after_s))

    def withdrew(self) -> None:
        self._probing = False

    def next_probe(self, now: float) -> float:
        """When it is worth asking whether it can be probed."""
        return max(now, self._retry_at)
