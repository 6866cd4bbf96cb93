"""Analyze requests: each is sent, and once more when no agent says in time that it has it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import trio
from attrs import define, field

from neko.protocol.agents.codec import write_request
from neko.protocol.agents.events import AnalyzeRequest

ACK_WITHIN = 0.8  # seconds, as agents know it
TRIES = 2
# Requests that wait for the task that sends them: one for each turn's end, so that this many end at once. Another one
# is dropped and counted; the next turn asks again, about the same words.
WAITING = 64


class Asked(StrEnum):
    """What became of a request."""

    ACKNOWLEDGED = "acknowledged"
    GIVEN_UP = "given_up"
    DROPPED = "dropped"


@define(eq=False)
class Asking:
    """`ask` and `acknowledge` never wait; `run` does."""

    _send: Callable[[bytes], object]  # never waits, and may come to nothing
    _count: Callable[[Asked], None]
    _acks: dict[str, trio.Event] = field(factory=dict, init=False)
    _requests: tuple[trio.MemorySendChannel[AnalyzeRequest], trio.MemoryReceiveChannel[AnalyzeRequest]] = field(
        factory=lambda: trio.open_memory_channel[AnalyzeRequest](WAITING), init=False
    )

    def ask(self, request: AnalyzeRequest) -> None:
        try:
            self._requests[0].send_nowait(request)
        except trio.WouldBlock:
            self._count(Asked.DROPPED)

    def acknowledge(self, event_id: str) -> None:
        """What nobody waits for any more is let pass: a second one, or one that came too late."""
        if event_id in self._acks:
            self._acks[event_id].set()

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            async for request in self._requests[1]:
                nursery.start_soon(self._see_to, request)

    async def _see_to(self, request: AnalyzeRequest) -> None:
        acknowledged = self._acks[request.event_id] = trio.Event()
        frame = write_request(request)
        try:
            for _ in range(TRIES):
                self._send(frame)
                with trio.move_on_after(ACK_WITHIN):
                    await acknowledged.wait()
                    self._count(Asked.ACKNOWLEDGED)
                    return
            self._count(Asked.GIVEN_UP)
        finally:
            del self._acks[request.event_id]
