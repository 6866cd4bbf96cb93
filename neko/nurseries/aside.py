"""What a client is told beside the conversation: when none of that waits, seldom, and of each thing the latest."""

from __future__ import annotations

from collections.abc import Hashable
from math import inf

from attrs import define, field

from neko.protocol.server import ServerMessage

# Things of which something waits: tasks, the agents' state, results. The oldest makes room: an agent that has more of
# them at a time shows nobody anything any more.
KEPT = 200
# Ten in a second are more than anybody reads. Each is a frame, and costs as much as one of speech.
EVERY_S = 0.1


@define(eq=False)
class Aside:
    """Times are Trio's."""

    _waiting: dict[Hashable, ServerMessage] = field(factory=dict, init=False)
    _next_at: float = field(default=-inf, init=False)

    def put(self, about: Hashable, message: ServerMessage) -> None:
        """What waits about the same is old, and goes."""
        self._waiting.pop(about, None)
        self._waiting[about] = message
        if len(self._waiting) > KEPT:
            del self._waiting[next(iter(self._waiting))]

    def take(self, now: float) -> ServerMessage | None:
        """The oldest, when it is time for one."""
        if not self._waiting or now < self._next_at:
            return None
        self._next_at = now + EVERY_S
        return self._waiting.pop(next(iter(self._waiting)))

    @property
    def due_at(self) -> float:
        """When something may be taken; infinite when nothing waits."""
        return self._next_at if self._waiting else inf

    def clear(self) -> None:
        self._waiting.clear()
