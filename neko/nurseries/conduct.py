"""The one task that moves the `current` pointer and writes to a model session; sound needs it to wait, not to run."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol, assert_never

import trio
from attrs import define, field

from neko.audio.ledger import Heard
from neko.conversation.history import History, Role
from neko.conversation.renewal import Reason
from neko.nurseries import redialling
from neko.nurseries.inbox import Cut, Inbox, Input, Look, Lost, MicBlock, Swap, ToolDone, TurnOver
from neko.nurseries.news import News
from neko.nurseries.outbox import Outbox
from neko.nurseries.redialling import Redialling
from neko.nurseries.renewing import Renewing
from neko.nurseries.reports import Reports
from neko.nurseries.sight import Sight
from neko.nurseries.slot import Slot
from neko.nurseries.takeover import Account, catch_up, hand_over, late_result, results
from neko.nurseries.turns import Turns
from neko.protocol.client import Picture, TypedText
from neko.protocol.errors import StatusCode
from neko.protocol.server import SessionSwapped, Status
from neko.realtime.errors import ProviderError, SessionLost
from neko.realtime.session import GoOn, Line, Say, See, Tell, ToolResult
from neko.telemetry import get_logger

log = get_logger("conduct")

NOT_PRIMED = "the new model session was gone before it could take over; the old one goes on"
NOT_TAKEN = "the new model session did not take what it was given"
HEARD_ONLY = "The person interrupted what you said last; they heard only: {!r}"
DEAF_DETAILS = "this is a text session; start one with input_type audio to be heard"
BLIND_DETAILS = (
    "the model behind this character takes no pictures; they are left out, "
    "unless `vision` names a provider that describes them"
)
MIC_STALE_S = 5.0  # what was heard longer than this before the session was asked for belongs to no conversation


class Successors(redialling.Successors, Protocol):
    """Who comes after a model session."""

    @property
    def attended(self) -> bool:
        """A client is there to hear what is told."""
        ...

    def moved(self, old: Slot, new: Slot, swapped: SessionSwapped) -> None:
        """The pointer has moved."""
        ...


@define(eq=False)
class Conduct:
    """Reads the inbox, in order, until cancelled or no model session can be had. Nobody else assigns `current`."""

    current: Slot
    renewing: Renewing
    _news: News
    _reports: Reports
    _inbox: Inbox
    _outbox: Outbox
    _history: History
    _turns: Turns
    _sight: Sight
    _successors: Successors
    _asked_at: float  # when the session was asked for
    _told_blind: Slot | None = None
    _told_deaf: bool = False  # once for each session, not with each frame
    _due: Swap | None = None  # waits for the end of the turn
    _late: deque[ToolDone] = field(factory=deque, init=False)  # answers that wait for the end of the turn
    _redialling: Redialling = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._redialling = Redialling(self._successors)

    async def run(self) -> None:
        """Raises `ProviderError` when the session is lost and no other comes up in its place."""
        while True:
            try:
                await self._do_what_can_be_done()
                message = await self._next()
                await self.current.send_rest()
                if message is not None:
                    await self._perform(message)
            except ProviderError as error:
                await self._replace(error)

    async def _do_what_can_be_done(self) -> None:
        if self._due is not None and (self.at_turn() or self._due.by <= trio.current_time()):
            await self._perform_final_swap_sequence(self._due)
        seen = self._sight.news_for(self.current)
        if seen is not None:
            await self.current.session.prime([seen])
        if self._due is None and self.at_turn() and self._successors.attended:
            await self._bring_news(self.current, quiet=not self._turns.playing)

    async def _next(self) -> Input | None:
        """What comes next; None when it is time to look whether something can be done."""
        if self._due is None and not self._late and not self._news.wait:
            return await self._inbox.receive(self._hear_now)
        look_at = self._turns.quiet_at if self._due is None else self._due.by
        if self._due is None and self._news.wait:
            look_at = min(look_at, self._news.next_at)
        with trio.move_on_at(min(look_at, self.current.gives_up_at)):
            return await self._inbox.receive()
        return None

    async def _perform(self, message: Input) -> None:
        match message:
            case MicBlock():
                await self._hear(message)
            case TypedText():
                await self._say(message)
            case Picture(url=url):
                await self._show(url)
            case Look():
                pass  # the loop does
            case Cut():
                await self._cut(message)
            case Lost(slot, error):
                if slot is self.current:
                    raise error
            case Swap():
                self._due = message
            case TurnOver(slot):
                await self._turn_over(slot)
            case ToolDone(late=True):
                self._late.append(message)
            case ToolDone():
                await self._answer_tools(message)
            case _:
                assert_never(message)

    def _hear_now(self, block: MicBlock) -> bool:
        """Where it comes, as long as the conduct waits for nothing else: nobody but the two sends at any time."""
        current = self.current
        if current.hears_hz is None or self._stale(block) or not current.up_to_date:
            return False
        if not current.hear_now(block.pcm, block.sample_rate):
            self._inbox.look()
        return True

    async def _hear(self, block: MicBlock) -> None:
        if self.current.hears_hz is None and not self._told_deaf:
            self._told_deaf = True
            self._outbox.post(Status(StatusCode.INVALID_INPUT_TYPE, DEAF_DETAILS))
        if self._stale(block):
            self._inbox.ledger.heard(Heard.STALE, block.size, block.sample_rate)
        else:
            await self.current.hear(block.pcm, block.sample_rate)

    def _stale(self, block: MicBlock) -> bool:
        return block.last_at < self._asked_at - MIC_STALE_S

    async def _say(self, typed: TypedText) -> None:
        """Typed words cut in on what is being said, as spoken ones do."""
        cut, asked = self._turns.cut_short(), Say(typed.text, typed.request_id)
        if cut.cuts or cut.ended:
            for message in cut.messages():
                self._outbox.post(message)
        try:
            for each in cut.cuts:
                await self._cut(each)
            for done in cut.tools:
                await self._answer_tools(done)
        except ProviderError:
            self._enter(typed)
            self.current.owed.append(asked)  # the session in the place of this one will be asked
            raise
        self._enter(typed)
        await self.current.ask(asked)

    def _enter(self, typed: TypedText) -> None:
        number = self._history.add(Role.USER, typed.text, by=self.current.id)
        if number is not None:
            self.current.unanswered.add(number)
            self._reports.said(typed.text.strip())

    async def _show(self, url: str) -> None:
        if self.current.session.facts.sees:
            await self.current.session.send(See(url))
        elif self._sight.show(self.current.plan.snapshot, url):
            pass  # described beside the conversation
        elif self._told_blind is not self.current:
            self._told_blind = self.current
            self._outbox.post(Status(StatusCode.INVALID_INPUT_TYPE, BLIND_DETAILS))

    async def _cut(self, cut: Cut) -> None:
        if cut.slot is self.current:
            await cut.slot.session.send(cut.interrupt)
            return
        # A retired session has nothing more to say, and the one after it learns what the person heard of it.
        cut.slot.scope.cancel()
        await catch_up(self.current, self._history)
        if cut.told or cut.slot.id in self.current.knows:
            await self.current.session.prime([Line("system", HEARD_ONLY.format(cut.interrupt.heard_text))])

    async def _turn_over(self, slot: Slot) -> None:
        """What a retired session has said to its end, or not to its end, is known and gone on with."""
        if slot is self.current:
            return
        await catch_up(self.current, self._history)
        broke_off, slot.speaking = slot.speaking and slot.lost is not None, False
        if broke_off and not self.current.waited_for:
            await self.current.ask(GoOn())

    async def _answer_tools(self, done: ToolDone) -> None:
        """The session that called the tools gets their answers; later, or in its place, a session is told of them."""
        for answer in done.answers:
            self.current.calls.pop(answer.call.call_id, None)
        told: Sequence[ToolResult | Tell]
        if done.slot is self.current and not done.late:
            told = results(done)
        else:
            told = [late_result(answer) for answer in done.answers]
        if done.asks:
            await self.current.ask(*told)
        else:
            await self.current.tell(told)

    @property
    def has_late(self) -> bool:
        """A tool of an earlier turn has an answer that is not told yet."""
        return bool(self._late)

    def at_turn(self) -> bool:
        """Nobody speaks, and nobody waits for an answer."""
        return self._turns.told and not self.current.waited_for

    async def _perform_final_swap_sequence(self, swap: Swap) -> None:
        """What was said before is for the old session, or handed over; what comes now is for the pending one."""
        self._due, new = None, swap.pending
        if not self.renewing.offers(new):
            return  # another wish came after it
        account = self._account(swap.reason)
        try:
            with trio.fail_after(new.plan.snapshot.session.swap_deadline_s):
                await catch_up(new, self._history, before=self.current.unanswered)
        except (ProviderError, trio.TooSlowError) as error:
            # The old one goes on, and the person notices nothing.
            log.warning("swap.failed", reason=swap.reason, details=str(error))
            self.renewing.declined(new, SessionLost(NOT_PRIMED))
            return
        if new.gone or not self.renewing.offers(new):
            self.renewing.declined(new, SessionLost(NOT_PRIMED))
            return
        self.renewing.accepted()
        await self._move(new, account)

    async def _move(self, new: Slot, account: Account) -> None:
        """No checkpoint until the pointer has moved, and everything with it."""
        old, self.current = self.current, new
        self._news.move(old)
        delivery = hand_over(old, new, self._turns.unfinished(old.knows), self._turns.calls.in_background)
        swapped = account.told(old, new, self._inbox.ledger.lost_ms)
        self._outbox.post(swapped)
        self._successors.moved(old, new, swapped)
        try:
            with trio.fail_after(new.plan.snapshot.session.swap_deadline_s):
                await delivery.to(new, self._history)
        except trio.TooSlowError:
            raise SessionLost(NOT_TAKEN) from None

    async def _bring_news(self, slot: Slot, *, quiet: bool) -> None:
        """What tools of earlier turns have given is told as what agents have brought is: one by one."""
        if self._late and quiet and (slot.session.facts.takes_text or slot.wearing.turns == 0):
            await self._answer_tools(self._late.popleft())
        else:
            await self._news.bring(slot, quiet=quiet)

    async def _replace(self, error: ProviderError) -> None:
        """The session is gone: another one takes its place, and is given what the lost one owed."""
        lost: ProviderError | None = error
        while lost is not None:
            old, account = self.current, self._account(Reason.LOST)
            # Whoever writes may learn it before whoever reads.
            old.lost = old.lost or lost
            self._turns.broke_off(old)
            self._outbox.post(Status(old.lost.code, f"{old.lost.details}; another session takes over"))
            new = await self._redialling.another(old, old.lost)
            lost = None
            try:
                await self._move(new, account)
            except ProviderError as again:
                lost = again

    def _account(self, reason: Reason) -> Account:
        return Account(reason, trio.current_time(), self.current.waited_for, self._inbox.ledger.lost_ms)
