"""Which agents are there: those that have been heard of lately."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

HERE_S = 5.0  # after a heartbeat, of which there is one each second
MOST = 64  # processes that are told apart


@define(eq=False)
class Present:
    _clock: Callable[[], float]
    _heard: dict[int, float] = field(factory=dict, init=False)  # of a process, when last; the youngest at the end

    def heard_of(self, pid: int) -> None:
        self._heard.pop(pid, None)
        self._heard[pid] = self._clock()
        if len(self._heard) > MOST:
            del self._heard[next(iter(self._heard))]

    @property
    def pids(self) -> tuple[int, ...]:
        since = self._clock() - HERE_S
        return tuple(pid for pid, at in self._heard.items() if at >= since)
