"""How long a model session may stay silent while it owes an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf
from typing import TypeVar

import trio

from neko.realtime.errors import SessionLost

T = TypeVar("T")

UNANSWERED = "the provider has not answered for {:g} s"


class Patience:
    """It ends when nothing comes within `silence_s` of whatever was expected last, or when it is told to."""

    def __init__(self, silence_s: float) -> None:
        self._silence_s = silence_s
        self._by = inf
        self._listening = trio.CancelScope()

    def expect(self) -> None:
        """Something is owed, from now."""
        self._until(trio.current_time() + self._silence_s)

    def rest(self) -> None:
        """Nothing is."""
        self._until(inf)

    def end(self) -> None:
        """It does not even answer pings. As long as nobody listens, an answer may wait, and nothing ends."""
        self._listening.cancel()

    async def with_(self, listen: Callable[[], Awaitable[T]]) -> T:
        """What `listen` returns, which is begun again when it was cancelled too early. Raises `SessionLost`."""
        while True:
            with trio.CancelScope(deadline=self._by) as self._listening:
                return await listen()
            if self._listening.deadline > trio.current_time() or self._by <= trio.current_time():
                raise SessionLost(UNANSWERED.format(self._silence_s))

    def _until(self, by: float) -> None:
        self._by = by
        if by < self._listening.deadline:
            # Later is for `with_` to notice: each piece of a reply puts it off, and a deadline costs to move.
            self._listening.deadline = by
