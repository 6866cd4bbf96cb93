"""The tools that models have asked for: each call in a scope of its own, a reply's calls answered together."""

from __future__ import annotations

from collections.abc import Sequence

import trio
from attrs import define, field

from neko.nurseries.inbox import Answer, Inbox, ToolDone
from neko.nurseries.outbox import Outbox
from neko.nurseries.ports import Ports
from neko.nurseries.slot import Slot
from neko.nurseries.tooling import use_tool
from neko.protocol.errors import StatusCode
from neko.protocol.server import Status
from neko.realtime.session import ToolCalled
from neko.telemetry import get_logger
from neko.tools.tool import Usable

log = get_logger("calls")

MOST_AT_ONCE = 16  # of a session: more than any model asks for in one reply, and not yet a flood
MOST_ROUNDS = 10  # in a row, each answered and followed by another: a search, some pages, second tries; more is a loop
NO_SUCH_TOOL = "There is no such tool."
TOO_MANY = f"{MOST_AT_ONCE} tools are at work already; ask again when they have answered."
ENOUGH = f"You have asked for tools {MOST_ROUNDS} times in a row. Answer the person now, with what you have."
ENDLESS_DETAILS = "the model asks for tools without end and was stopped; ask in another way"
CANCELLED = "Cancelled: the person cut in before there was an answer."
GOES_ON = "It goes on, although the person cut in; you will be told its answer."


@define(eq=False)
class Call:
    """One use of a tool; over when it has an `output`."""

    slot: Slot
    asked: ToolCalled
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    durable: bool = False
    output: str | None = None
    background: bool = False  # the person has cut in since, and it went on

    @property
    def answer(self) -> Answer:
        return Answer(self.asked, self.output or "")


@define(eq=False)
class Round:
    """What one reply asks for."""

    slot: Slot
    reply_id: str
    number: int  # in a row
    said: bool  # that reply is done
    calls: list[Call] = field(factory=list)

    @property
    def asks(self) -> bool:
        """The model is to say what comes of it; it is not asked again when it goes on after it was told to stop."""
        return self.number <= MOST_ROUNDS + 1


@define(eq=False)
class Calls:
    """One session's. Each call is a task of the session's nursery, and so outlives model sessions and connections."""

    _nursery: trio.Nursery
    _inbox: Inbox
    _outbox: Outbox
    _ports: Ports
    _rounds: list[Round] = field(factory=list, init=False)  # not answered yet
    _background: list[Call] = field(factory=list, init=False)
    _in_a_row: int = field(default=0, init=False)

    @property
    def in_background(self) -> tuple[ToolCalled, ...]:
        """What goes on although the person has cut in since."""
        return tuple(call.asked for call in self._background)

    def begin(self, slot: Slot, asked: ToolCalled) -> None:
        """A model asks for a tool."""
        if slot.was_cut(asked.reply_id):
            self._inbox.post(ToolDone(slot, (Answer(asked, CANCELLED),), asks=False))
            return
        round_ = self._round_of(slot, asked)
        found = self._tool_for(slot, asked, round_)
        call = Call(slot, asked, durable=isinstance(found, Usable) and found.durable)
        round_.calls.append(call)
        self._nursery.start_soon(self._run, call, found, round_)

    def wanted(self, slot: Slot, reply_id: str) -> bool:
        """This reply has asked for tools, and another one will say what comes of them."""
        return any(each.asks for each in self._rounds if each.slot is slot and each.reply_id == reply_id)

    def generated(self, slot: Slot, reply_id: str) -> None:
        """This reply is done: what it asked for may be answered."""
        asking = [each for each in self._rounds if each.slot is slot and each.reply_id == reply_id]
        if not asking and not self._rounds:
            self._in_a_row = 0  # words only
        self._close(asking)

    def broke_off(self, slot: Slot) -> None:
        """Nothing more comes of this session's replies."""
        self._close([each for each in self._rounds if each.slot is slot])

    def cut(self) -> tuple[ToolDone, ...]:
        """The person cuts in. Sync: what is not durable is cancelled, and this is what the models are told of all."""
        done = tuple(self._cut(each) for each in self._rounds)
        self._rounds, self._in_a_row = [], 0
        return done

    def _cut(self, round_: Round) -> ToolDone:
        for call in round_.calls:
            if call.output is None and call.durable:
                call.background, call.output = True, GOES_ON
                self._background.append(call)
            elif call.output is None:
                call.output = CANCELLED
                call.scope.cancel()
        return self._done(round_, asks=False)

    def _round_of(self, slot: Slot, asked: ToolCalled) -> Round:
        for each in self._rounds:
            if each.slot is slot and asked.reply_id and each.reply_id == asked.reply_id:
                return each
        self._in_a_row += 1
        self._rounds.append(Round(slot, asked.reply_id, self._in_a_row, said=not asked.reply_id))
        return self._rounds[-1]

    def _tool_for(self, slot: Slot, asked: ToolCalled, round_: Round) -> Usable | str:
        """What is to be used, or what the model is told instead."""
        if round_.number > MOST_ROUNDS:
            log.warning("tool.endless", model_session=slot.session.id, rounds=round_.number)
            return ENOUGH
        working = sum(call.output is None for each in self._rounds for call in each.calls)
        if working + len(self._background) >= MOST_AT_ONCE:
            return TOO_MANY
        return self._ports.tools.find(slot.plan.snapshot, asked.name) or NO_SUCH_TOOL

    async def _run(self, call: Call, found: Usable | str, round_: Round) -> None:
        output = ""
        with call.scope:
            output = found if isinstance(found, str) else await use_tool(found, call.asked, self._ports.metrics)
        # No checkpoint since: a cut that came before has told the model, one that comes now finds the answer here.
        if call.background:
            self._background.remove(call)
            self._inbox.post(ToolDone(call.slot, (Answer(call.asked, output),), late=True))
        elif not call.scope.cancel_called:
            call.output = output
            self._look(round_)

    def _close(self, rounds: Sequence[Round]) -> None:
        for each in rounds:
            each.said = True
            self._look(each)

    def _look(self, round_: Round) -> None:
        if round_.said and all(call.output is not None for call in round_.calls):
            self._rounds.remove(round_)
            self._inbox.post(self._done(round_, asks=round_.asks))
            if not round_.asks:
                self._outbox.post(Status(StatusCode.API_UNKNOWN_ERROR, ENDLESS_DETAILS))

    def _done(self, round_: Round, *, asks: bool) -> ToolDone:
        return ToolDone(round_.slot, tuple(call.answer for call in round_.calls), asks=asks)
