"""Which replies a session owes, by what it was asked and what it said, where the vendor does not name the request."""

from __future__ import annotations

from collections import deque

from attrs import define, field


@define
class Replies:
    """One session's. They begin in the order in which they were asked for."""

    _asked: deque[str | None] = field(factory=deque, init=False)  # those that have not begun, by who asked
    _cancelled: int = field(default=0, init=False)  # so many of them
    _latest: str | None = field(default=None, init=False)
    _running: bool = field(default=False, init=False)  # the latest is being given

    @property
    def busy(self) -> bool:
        """A reply is being given, or will be."""
        return self._running or len(self._asked) > self._cancelled

    @property
    def given(self) -> str:
        """The reply that is being given; "" when none is."""
        return self._latest or "" if self._running else ""

    def running(self, reply_id: str) -> bool:
        """It is being given, as far as is known, and was not cancelled."""
        return self._running and reply_id == self._latest

    def ask(self, request_id: str | None) -> None:
        self._asked.append(request_id)

    def cancel(self) -> None:
        """All that was asked for until now."""
        self._cancelled, self._running = len(self._asked), False

    def begin(self, reply_id: str) -> str | None:
        """The request that it answers; None for one that nobody asked for in so many words."""
        self._latest, self._running = reply_id, not self._cancelled
        self._cancelled = max(0, self._cancelled - 1)
        return self._asked.popleft() if self._asked else None

    def give(self, reply_id: str) -> None:
        """A part of it came; a vendor may have kept its beginning to itself."""
        if reply_id != self._latest:
            self.begin(reply_id)

    def end(self, reply_id: str) -> None:
        self.give(reply_id)
        self._running = False

    def refused(self) -> None:
        """Something was; a reply that it may have been is not waited for."""
        self._asked.clear()
        self._cancelled = 0
