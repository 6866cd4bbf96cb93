"""What the model is to be told, in order: one channel for sound, text and pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf

import trio
from attrs import define, field, frozen

from neko.audio.ledger import FLICKS_PER_S, Heard, Ledger, bytes_in, flicks
from neko.audio.pcm import bytes_for
from neko.conversation.renewal import Reason
from neko.nurseries.slot import Slot
from neko.nurseries.waiting import Waiting
from neko.protocol.client import Microphone, Picture, TypedText
from neko.realtime.errors import ProviderError
from neko.realtime.session import Interrupt, ToolCalled
from neko.sockets.socket import nobody_takes

BACKLOG = 64  # messages; who types on while so many wait is told that they were not taken
# A provider's detector looks at 20 to 32 ms at a time, and each message costs more than its sound: frames are joined to
# this.
JOINED_S = 0.04
# When a block that does not fill is passed on. Later than it is due, by what frames are late at times: a deadline that
# the next block moves before it rings costs little.
LONGEST_S = JOINED_S + 0.01
MIC_BACKLOG_S = 5  # sound that waits; the oldest is dropped and counted, for it is worthless by then


@define(eq=False)
class MicBlock:
    """The person's sound since the last message: frames are joined as long as nobody has taken the block."""

    sample_rate: int
    first_at: float
    last_at: float = 0.0
    _pcm: bytearray = field(factory=bytearray, repr=False)
    _worth: int = field(init=False)  # bytes of a message

    def __attrs_post_init__(self) -> None:
        self._worth = bytes_for(JOINED_S * 1000, self.sample_rate)

    def add(self, pcm: bytes, now: float) -> None:
        self.last_at = now
        self._pcm += pcm

    @property
    def joined(self) -> bool:
        """It is worth a message."""
        return len(self._pcm) >= self._worth

    @property
    def overdue(self) -> bool:
        """It was, and nobody took it."""
        return len(self._pcm) >= 2 * self._worth

    def drop(self, size: int) -> None:
        """So many bytes of its oldest sound."""
        del self._pcm[:size]

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self._pcm)

    @property
    def flicks(self) -> int:
        """How long it lasts."""
        return flicks(self.size, self.sample_rate)

    @property
    def pcm(self) -> bytes:
        return bytes(self._pcm)


@frozen
class Cut:
    """The person interrupted a reply of this session."""

    slot: Slot
    interrupt: Interrupt
    told: bool  # all of it had been told, and was still heard


@frozen
class Lost:
    """This session is gone."""

    slot: Slot
    error: ProviderError


@frozen
class Swap:
    """The pending session is up, and takes over at the end of a turn, or at the latest `by`."""

    pending: Slot
    reason: Reason
    by: float


@frozen
class TurnOver:
    """A reply of this session has been told to its end."""

    slot: Slot


@frozen
class Look:
    """Something may be possible now: agents have brought news, or nobody waits for an answer any more.

    It does not queue: whoever takes messages out looks after each of them.
    """


@frozen
class Answer:
    """What became of one call of a tool."""

    call: ToolCalled
    output: str


@frozen
class ToolDone:
    """The tools that this session called in one reply have their answers."""

    slot: Slot
    answers: tuple[Answer, ...]
    asks: bool = True  # for a reply
    late: bool = False  # of a turn that is over: told when nobody speaks and nobody waits


Input = MicBlock | TypedText | Picture | Look | Cut | Lost | Swap | TurnOver | ToolDone


Taken = Callable[[MicBlock], bool]
"""Does with a block all that is to be done, or nothing and answers False."""


def _of_sound(taken: Taken, message: Input) -> bool:
    return isinstance(message, MicBlock) and taken(message)


class Inbox:
    """Any task may put something in, and none waits for that; the one that conducts the session takes it out."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._waiting = Waiting[Input]()
        self._looked_at = True
        self._resting = trio.CancelScope()  # of whoever takes messages out: until the youngest block is old enough

    def hear(self, sound: Microphone, now: float) -> None:
        """Joins the youngest block; what came after that block stays after it."""
        if not sound.pcm:
            return
        last = self._waiting.items[-1] if self._waiting.items else None
        if not isinstance(last, MicBlock) or last.sample_rate != sound.sample_rate:
            last = MicBlock(sound.sample_rate, now)
            self._waiting.items.append(last)
            self._resting.deadline = now + LONGEST_S
        last.add(sound.pcm, now)
        if self._ready(now):
            if len(self._waiting.items) == 1:
                self._waiting.show()
            else:
                self._waiting.wake()
        if len(self._waiting.items) > 1 or last.overdue:
            self._make_room()

    def offer(self, message: TypedText | Picture) -> bool:
        """False, and not taken, while too much waits already. Of pictures only the youngest waits: older are stale."""
        if isinstance(message, Picture):
            self._waiting.items = deque(each for each in self._waiting.items if not isinstance(each, Picture))
        if len(self._waiting.items) >= BACKLOG:
            return False
        self._waiting.put(message)
        return True

    def post(self, message: Cut | Lost | Swap | TurnOver | ToolDone) -> None:
        """What the session itself has for its model; there is at most one for each turn."""
        self._waiting.put(message)

    def look(self) -> None:
        """Has whoever takes messages out look whether something can be done now."""
        self._looked_at = False
        self._waiting.wake()

    async def receive(self, taken: Taken = nobody_takes) -> Input:
        """The next message, in order; sound is given until `LONGEST_S` to be joined by more.

        While this waits, and only for sound, `taken` is asked whether it takes the block, by whoever completes it.
        """
        while not self._ready(trio.current_time()) and self._looked_at:
            with trio.CancelScope(deadline=self._ripe_at) as self._resting:
                await self._waiting.change(partial(_of_sound, taken))
        self._looked_at = True
        return self._waiting.pop() if self._ready(trio.current_time()) else Look()

    def _ready(self, now: float) -> bool:
        """The oldest message is not to wait for anything."""
        items = self._waiting.items
        if len(items) != 1:
            return bool(items)
        only = items[0]
        return not isinstance(only, MicBlock) or only.joined or now >= only.first_at + JOINED_S

    @property
    def _ripe_at(self) -> float:
        only = self._waiting.items[0] if self._waiting.items else None
        return only.first_at + LONGEST_S if isinstance(only, MicBlock) else inf

    def heard(self) -> bytes:
        """The sound that nobody has taken yet."""
        return b"".join(each.pcm for each in self._blocks())

    def end(self) -> None:
        """Nobody takes anything out any more: the sound that waits is nobody's."""
        for block in self._blocks():
            self._drop(block, block.size, Heard.ENDED)

    def _make_room(self) -> None:
        """The bound is for all blocks together: a client that changes its rate all the time begins many."""
        blocks = self._blocks()
        excess = sum(block.flicks for block in blocks) - MIC_BACKLOG_S * FLICKS_PER_S
        for block in blocks:
            if excess <= 0:
                return
            size = min(block.size, bytes_in(excess, block.sample_rate))
            excess -= flicks(size, block.sample_rate)
            self._drop(block, size, Heard.BACKLOG)

    def _drop(self, block: MicBlock, size: int, fate: Heard) -> None:
        self.ledger.heard(fate, size, block.sample_rate)
        block.drop(size)
        if not block.size:
            self._waiting.items.remove(block)

    def _blocks(self) -> list[MicBlock]:
        return [each for each in self._waiting.items if isinstance(each, MicBlock)]
