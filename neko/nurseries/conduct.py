"""The one task that writes to a model session and moves the `current` pointer."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import assert_never

import trio
from attrs import define, field

from neko.conversation.history import History, Role
from neko.nurseries.inbox import Cut, Inbox, Input, Lost, MicBlock, Swap, TurnOver
from neko.nurseries.outbox import Outbox
from neko.nurseries.slot import Slot
from neko.nurseries.takeover import Account, carry_over, prime, retire
from neko.nurseries.turns import Turns
from neko.protocol.client import Picture, TypedText
from neko.protocol.errors import StatusCode
from neko.protocol.server import SessionStarted, Status
from neko.realtime.errors import ProviderError, SessionLost, Unreachable
from neko.realtime.session import Say, See, Tell
from neko.telemetry import get_logger

log = get_logger("conduct")

NOT_PRIMED = "the new model session was gone before it could take over; the old one goes on"
BLIND_DETAILS = "the model behind this character takes no pictures; they are left out"
MIC_STALE_S = 5.0  # what was heard longer than this before the session was asked for belongs to no conversation
REDIAL_EVERY_S = 0.25  # a provider that restarts refuses connections for a second or two
LOSSES, LOSSES_WITHIN_S = 3, 60.0  # a provider that ends each session at once is not dialled for ever


@define(eq=False)
class Conduct:
    """Reads the inbox, in order, until cancelled or no model session can be had. Nobody else assigns `current`."""

    current: Slot
    _inbox: Inbox
    _outbox: Outbox
    _history: History
    _turns: Turns
    _dial: Callable[[Slot], Awaitable[Slot]]  # a session like this one, told what was said until now
    _answer: Callable[[], SessionStarted]  # for a client that asked for another mode
    _asked_at: float  # when the session was asked for
    _told_blind: Slot | None = None
    _due: Swap | None = None  # waits for the end of the turn
    _losses: deque[float] = field(factory=lambda: deque(maxlen=LOSSES), init=False)

    async def run(self) -> None:
        """Raises `ProviderError` when the session is lost and no other comes up in its place."""
        while True:
            message = await self._inbox.receive()
            try:
                await self._perform(message)
                if self._due is not None and self._at_turn():
                    await self._perform_final_swap_sequence(self._due)
            except SessionLost as lost:
                await self._replace(lost)

    async def _perform(self, message: Input) -> None:
        match message:
            case MicBlock():
                await self._hear(message)
            case TypedText():
                await self._say(message)
            case Picture(url=url):
                await self._show(url)
            case Tell():
                await self.current.ask(message)
            case Cut():
                await self._cut(message)
            case Lost(slot, error):
                if slot is self.current:
                    await self._replace(error)
            case Swap():
                await self._swap(message)
            case TurnOver():
                pass  # the loop looks whether a swap waited for it
            case _:
                assert_never(message)

    async def _hear(self, block: MicBlock) -> None:
        if block.last_at >= self._asked_at - MIC_STALE_S:
            await self.current.hear(block.pcm, block.sample_rate)

    async def _say(self, typed: TypedText) -> None:
        """Typed words cut in on what is being said, as spoken ones do."""
        cut = self._turns.cut_short()
        if cut.cuts:
            for message in cut.messages():
                self._outbox.post(message)
        for each in cut.cuts:
            await self._cut(each)
        self._history.add(Role.USER, typed.text)
        await self.current.ask(Say(typed.text, typed.request_id))

    async def _show(self, url: str) -> None:
        if self.current.session.facts.sees:
            await self.current.session.send(See(url))
        elif self._told_blind is not self.current:
            self._told_blind = self.current
            self._outbox.post(Status(StatusCode.INVALID_INPUT_TYPE, BLIND_DETAILS))

    async def _cut(self, cut: Cut) -> None:
        if cut.slot is self.current:
            await cut.slot.session.send(cut.interrupt)
        else:
            cut.slot.scope.cancel()  # a retired session that was still speaking has nothing more to say

    def _at_turn(self) -> bool:
        """Nobody speaks, and nobody waits for an answer."""
        slot, last = self.current, self._turns.last
        told = last is None or last.over.is_set()
        return told and not slot.given.wanted and not slot.answering and slot.owed is None

    async def _swap(self, swap: Swap) -> None:
        if self._due is not None:
            self._due.pending.scope.cancel()  # the newer wish counts
        self._due = swap
        if not swap.at_turn:
            await self._perform_final_swap_sequence(swap)

    async def _perform_final_swap_sequence(self, swap: Swap) -> None:
        """What was said before is for the old session, or carried over; what comes now is for the pending one."""
        self._due = None
        old, account = self.current, self._account(swap.reason)
        try:
            with trio.fail_after(swap.pending.plan.snapshot.session.swap_deadline_s):
                await prime(swap.pending, self._history)
                await carry_over(old, swap.pending)
        except (ProviderError, trio.TooSlowError) as error:
            # The old one goes on, and the person notices nothing.
            swap.pending.scope.cancel()
            log.warning("swap.failed", reason=swap.reason, details=str(error))
            self._outbox.post(Status(StatusCode.SWAP_FAILED, NOT_PRIMED))
            return
        # No checkpoint until the pointer has moved.
        self.current = swap.pending
        retire(old)
        self._outbox.post(account.told(old, self.current, self._inbox.dropped_ms))
        if self.current.plan.mode is not old.plan.mode:
            self._outbox.post(self._answer())

    async def _replace(self, error: ProviderError) -> None:
        """The session is gone: another one takes its place, and is given what the lost one owed."""
        old, account = self.current, self._account("lost")
        self._give_up_if_hopeless(error)
        self._turns.broke_off(old)
        self._outbox.post(Status(error.code, f"{error.details}; another session takes over"))
        with trio.fail_after(old.plan.snapshot.session.swap_deadline_s):
            new = await self._redial(old)
        self.current = new
        old.scope.cancel()
        self._outbox.post(account.told(old, new, self._inbox.dropped_ms))

    async def _redial(self, old: Slot) -> Slot:
        while True:
            try:
                new = await self._dial(old)
                await carry_over(old, new)
                return new
            except SessionLost as lost:
                self._give_up_if_hopeless(lost)
            except Unreachable:
                pass  # until the deadline of the caller
            await trio.sleep(REDIAL_EVERY_S)

    def _give_up_if_hopeless(self, error: ProviderError) -> None:
        now = trio.current_time()
        if len(self._losses) == LOSSES and now - self._losses[0] < LOSSES_WITHIN_S:
            raise error
        self._losses.append(now)

    def _account(self, reason: str) -> Account:
        slot = self.current
        waits = slot.given.wanted or slot.answering or slot.owed is not None
        return Account(reason, trio.current_time(), waits, self._inbox.dropped_ms)
