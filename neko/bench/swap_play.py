"""One conversation of the swap benchmark: what the person says and when, and what they get for it."""

from __future__ import annotations

import time
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING, assert_never

import trio
from attrs import Factory, define, field, frozen

from neko.client import RecordedMicrophone
from neko.protocol.client import InputType, SwapSession, SwapWhen
from neko.protocol.server import AudioChunk, ServerMessage, SessionEndedByServer, SessionSwapped, TurnEnd
from neko.testing import tag
from neko.testing.tagged import BLOCK_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from neko.client import CharacterClient

MIC_HZ = 16_000  # what browsers and telephones send; the provider takes 24 kHz, so every sound is resampled
REASON_MS = 100  # of the utterance have been said when the reason for a swap in the middle of it comes
REASON_SENT_MS = 120  # and the end of the 20 ms frame in which that block leaves
PATIENCE_S = 1.5  # beyond dial time and reply: six times what an answer takes; a later one counts as none


class Kind(StrEnum):
    """When the model session is replaced."""

    TURN = "at turn end"
    NOW = "forced in mid-utterance"
    CRASH = "crash in mid-utterance"
    REPLY = "forced in mid-reply"


@frozen
class Play:
    """The script of one conversation; the same for every server, but for the last three."""

    kind: Kind
    dial_ms: int
    utterance_ms: int
    response_ms: int
    swaps: int  # turns with a swap before them, until the conversation ends
    turns_at_most: int
    settle_s: float  # between the start of the session and the first word


@define(eq=False)
class Turn:
    """One utterance and what came until its answer was over, in `time.perf_counter()`: the provider has that too."""

    said: range
    ends: float  # when the last sample of the utterance has sounded
    chunks: list[tuple[float, bytes]] = Factory(list)
    swapped: list[float] = Factory(list)
    over: float = inf
    after_swap: bool = False

    @property
    def first_sound(self) -> float | None:
        return self.chunks[0][0] if self.chunks else None


@define(eq=False)
class Conversation:
    """One client's; `upset(block)` has the provider reset the session that hears this block."""

    client: CharacterClient
    play: Play
    take: Callable[[int], range]
    upset: Callable[[int], None]
    turns: list[Turn] = field(factory=list, init=False)
    waits_ms: list[float] = field(factory=list, init=False)  # from each reason to `neko.session_swapped`
    _reason_at: float | None = field(default=None, init=False)
    _asked: int = field(default=0, init=False)

    async def run(self) -> None:
        """Until enough turns have had a swap before their answer, or there were too many turns."""
        await self.client.start(InputType.AUDIO)
        microphone = RecordedMicrophone(self.client, MIC_HZ)
        async with microphone.listening():
            await trio.sleep(self.play.settle_s)
            while self._wanted():
                await self._turn(microphone)

    def _wanted(self) -> bool:
        swapped = sum(1 for turn in self.turns if turn.after_swap)
        return swapped < self.play.swaps and len(self.turns) < self.play.turns_at_most

    async def _turn(self, microphone: RecordedMicrophone) -> None:
        said = self.take(self.play.utterance_ms // BLOCK_MS)
        begins = microphone.say(tag(said.start, len(said), MIC_HZ))
        ends = begins + self.play.utterance_ms / 1000
        turn = Turn(said, ends + time.perf_counter() - trio.current_time())
        self.turns.append(turn)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._give_reason, begins, said)
            patience_s = PATIENCE_S + (self.play.dial_ms + self.play.response_ms) / 1000
            with trio.move_on_at(ends + patience_s):
                async for message in self.client:
                    if await self._take(message, turn):
                        break
            nursery.cancel_scope.cancel()
        turn.over = time.perf_counter()
        turn.after_swap = self._swapped_before_answer()

    async def _take(self, message: ServerMessage, turn: Turn) -> bool:
        """Whether the turn is over."""
        now = time.perf_counter()
        match message:
            case AudioChunk(pcm=pcm):
                turn.chunks.append((now, pcm))
                if len(turn.chunks) == 1 and self.play.kind is Kind.REPLY and self._may_ask():
                    await self._ask(SwapWhen.NOW)
            case SessionSwapped():
                turn.swapped.append(now)
                if self._reason_at is not None:
                    self.waits_ms.append((now - self._reason_at) * 1000)
                    self._reason_at = None
            case TurnEnd() if turn.chunks:
                if self.play.kind is Kind.TURN:
                    self._reason_at = now
                return True
            case SessionEndedByServer():
                return True
        return False

    async def _give_reason(self, begins: float, said: range) -> None:
        if not self._may_ask():
            return
        reason_at = begins + REASON_MS / 1000
        match self.play.kind:
            case Kind.TURN:
                await trio.sleep_until(reason_at)
                await self._ask(SwapWhen.TURN)
            case Kind.NOW if len(self.turns) > 1:
                await trio.sleep_until(reason_at)
                await self._ask(SwapWhen.NOW)
            case Kind.CRASH if len(self.turns) > 1:
                self._asked += 1
                self._reason_at = begins + REASON_SENT_MS / 1000 + time.perf_counter() - trio.current_time()
                self.upset(said[REASON_MS // BLOCK_MS])
            case Kind.NOW | Kind.CRASH | Kind.REPLY:
                pass  # the first turn has none; in a reply it comes with the first sound
            case _:
                assert_never(self.play.kind)

    def _may_ask(self) -> bool:
        return self._asked < self.play.swaps

    async def _ask(self, when: SwapWhen) -> None:
        self._asked += 1
        if when is SwapWhen.NOW:
            self._reason_at = time.perf_counter()
        await self.client.send(SwapSession(when=when, prompt=f"You are number {self._asked}."))

    def _swapped_before_answer(self) -> bool:
        """A session was replaced after the answer before had begun, and before this one did."""
        *before, turn = self.turns[-2:]
        since = max((each.first_sound or each.over for each in before), default=0.0)
        until = turn.first_sound or inf
        return any(since < at <= until for each in (*before, turn) for at in each.swapped)
