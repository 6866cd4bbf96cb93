"""What goes wrong between a well-behaved session and its socket: decided here, done by the session's writer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from neko.testing.exchange import HangUp

if TYPE_CHECKING:
    from neko.testing.behaviour import Behaviour


@frozen
class Cut:
    """A TCP reset."""


@frozen
class Deafen:
    """Half-open TCP."""


Fate = HangUp | Cut | Deafen


class Mischief:
    """One session's bad luck. The writer asks before and after each event that it sends."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._sent = 0

    def pass_on(self, kind: str, frame: str | bytes) -> str | bytes | None:
        """The frame as it leaves; None when it never does. `kind` as the dialect names it."""
        behaviour = self._behaviour
        if kind in behaviour.omits or self._has_sent(behaviour.silent_after) or self._has_sent(behaviour.deaf_after):
            return None
        broken = self._sent == behaviour.garbage_after
        self._sent += 1
        return frame[: len(frame) // 2] if broken else frame

    def fate(self, spoken_ms: int) -> Fate | None:
        """What becomes of the session now that it has said so much."""
        behaviour = self._behaviour
        if behaviour.drops_after_ms is not None and spoken_ms >= behaviour.drops_after_ms:
            return Cut()
        if self._has_sent(behaviour.dies_after_events):
            return HangUp(behaviour.close_code, behaviour.close_reason)
        if self._has_sent(behaviour.deaf_after):
            return Deafen()
        return None

    def _has_sent(self, limit: int | None) -> bool:
        return limit is not None and self._sent >= limit
