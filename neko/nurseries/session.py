"""One session, start_session … end_session: a scope that owns the model session and the turns."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from enum import Enum, auto
from math import inf
from typing import Any, assert_never
from uuid import uuid4

import trio
from attrs import define, evolve, field

from neko.audio.ledger import Ledger
from neko.config.model import SessionPolicy
from neko.conversation.absence import Absence
from neko.conversation.callbacks import AgentCallbacks
from neko.conversation.history import History
from neko.nurseries.calls import Calls
from neko.nurseries.conduct import Conduct
from neko.nurseries.inbox import Inbox, Lost, TurnOver
from neko.nurseries.listening import Listening
from neko.nurseries.minutes import Minutes
from neko.nurseries.models import Models, open_models
from neko.nurseries.news import News
from neko.nurseries.outbox import Outbox
from neko.nurseries.plan import Plan
from neko.nurseries.ports import Ports
from neko.nurseries.redialling import PATIENCE
from neko.nurseries.renewing import Renewing, Wish
from neko.nurseries.reports import Reports
from neko.nurseries.sight import Sight
from neko.nurseries.slot import Slot
from neko.nurseries.succession import Succession
from neko.nurseries.translating import Translating
from neko.nurseries.turns import Turns
from neko.nurseries.vacancy import Vacancy, standing_in
from neko.protocol.client import InputMode
from neko.protocol.errors import StatusCode
from neko.protocol.server import (
    SessionEndedByServer,
    SessionFailed,
    SessionPreparing,
    SessionStarted,
    Status,
    TurnEnd,
)
from neko.realtime.errors import ProviderError, Unreachable
from neko.realtime.session import AudioDelta, Expiring, ModelEvent, ReplyDone, ReplyStarted, TextDelta
from neko.telemetry import get_logger
from neko.telemetry.metrics import SwapMetrics

log = get_logger("session")

START_WITHIN = 9.0  # seconds; N.E.K.O. clients give up when session_started does not come within 10
TOUCHED_EVERY_S = (
    1.0  # each delta of a reply is a sign of life, and a deadline costs to move; idleness counts in minutes
)
LATE_DETAILS = f"The model was not ready within {START_WITHIN:.0f} s; try again in a moment."


class Ending(Enum):
    """Why a session is over."""

    LEFT = auto()  # the client ended it
    BY_SERVER = auto()  # the provider or the server did
    FAILED = auto()  # it never came up, and the client knows
    DISCARDED = auto()  # nobody is there to be told, or another session follows at once


@define(eq=False)
class Session:
    """Runs once. Everything that it started is over when `run` returns."""

    plan: Plan
    ports: Ports
    inbox: Inbox
    outbox: Outbox
    history: History
    language: Callable[[], str | None]  # the person's
    newest_of: Callable[[Plan], Plan]  # as the configuration wants it now
    callbacks: AgentCallbacks
    absence: Absence
    agent_flags: Mapping[str, Any]
    swaps: SwapMetrics
    inherit: Callable[[], Slot | None]  # what the session before has prepared and not needed
    fresh: bool = False  # it begins without what was said before
    id: str = field(factory=lambda: f"session_{uuid4().hex[:12]}", init=False)
    resume_token: str = field(factory=lambda: secrets.token_urlsafe(16), init=False, repr=False)
    scope: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    over: trio.Event = field(factory=trio.Event, init=False)
    ending: Ending = field(default=Ending.DISCARDED, init=False)
    turns: Turns | None = field(default=None, init=False)
    _reports: Reports = field(init=False)
    _succession: Succession | None = field(default=None, init=False)  # from the first model session on
    _listening: Listening | None = field(default=None, init=False)  # as long as anybody is to be told anything
    _asked_at: float = field(factory=trio.current_time, init=False)
    _models: Models | None = field(default=None, init=False)
    _vacancy: Vacancy = field(init=False)
    _idle: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    _touched_at: float = field(default=-inf, init=False)  # when its deadline was put off last

    def __attrs_post_init__(self) -> None:
        character = self.plan.snapshot.name
        self._reports = Reports(character, self.id, self.ports.agents, self.history, self.agent_flags)
        self._vacancy = Vacancy(self.ports.back)

    @property
    def mode(self) -> InputMode:
        return self.current.plan.mode if self.current else self.plan.mode

    @property
    def _policy(self) -> SessionPolicy:
        return (self.current.plan if self.current else self.plan).snapshot.session

    @property
    def _conduct(self) -> Conduct | None:
        return self._succession.conduct if self._succession else None

    @property
    def ledger(self) -> Ledger:
        return self.inbox.ledger

    @property
    def started(self) -> bool:
        return self._conduct is not None

    @property
    def current(self) -> Slot | None:
        """The model session that the person talks to."""
        succession = self._succession
        return succession.conduct.current if succession is not None else None

    @property
    def next_plan(self) -> Plan:
        """What its model session is, or is on its way to."""
        return self._succession.conduct.renewing.plan if self._succession else self.plan

    def answer(self) -> SessionStarted:
        """What a client that asks for this session is told."""
        return SessionStarted(self.mode, self.id, self.resume_token)

    def change_hands(self) -> None:
        """It is another client's now."""
        self.resume_token = secrets.token_urlsafe(16)

    @property
    def ended(self) -> bool:
        """It is over, or about to be: nobody can join it."""
        return self.scope.cancel_called or self._idle.cancel_called or self.ending is Ending.FAILED

    def end(self, ending: Ending) -> None:
        """Cancels everything in it; the first reason given is the reason."""
        if not self.scope.cancel_called:
            self.ending = ending
            self.scope.cancel()

    def promote(self) -> bool:
        """Has the prepared model session take the place of the one that runs, at once; False when none is there."""
        return self._succession is not None and self._succession.conduct.renewing.promote()

    def touch(self) -> None:
        """The conversation is not idle."""
        now = trio.current_time()
        if self._succession is not None:
            self._succession.touched_at = now
        limit = self._policy.idle_end_s
        if now - self._touched_at >= min(TOUCHED_EVERY_S, limit / 10):
            self._touched_at = now
            self._idle.deadline = now + limit if limit else inf

    async def run(self, on_over: Callable[[], None]) -> None:
        """Starts, lives until it is ended, and calls `on_over`. A prepared model session may outlive that for a while.

        Raises only bugs; how it ended is in `ending`.
        """
        async with open_models(self.ports.connect, self.history, self, resume=self.ports.resume) as models:
            self._models = models
            try:
                with self.scope:
                    with self._idle:
                        await self._live(models)
                    if self._idle.cancelled_caught:
                        self.ending = Ending.BY_SERVER
            finally:
                self._settle_up()
            prepared = self._prepared()
            await models.close(but=prepared)
            on_over()
            if prepared is not None:
                await models.keep(prepared)

    def _settle_up(self) -> None:
        """What nobody will make use of or tell any more, whatever ended the conversation."""
        if self.current is not None:
            self.current.end()
        self.callbacks.put_back([*self.callbacks])

    def hand_over(self) -> Slot | None:
        """The model session that was prepared and not needed, as long as it is kept; it is the taker's now."""
        return self._models.hand_over() if self._models else None

    def interrupt(self) -> None:
        """The person cuts in."""
        if self._listening is not None:
            self._listening.barge_in()

    def swap(self, plan: Plan, *, at_turn: bool) -> None:
        """Has a session of that plan prepared, and put in the place of the one that runs; only while it runs."""
        conduct = self._conduct
        assert conduct is not None
        if plan.mode is not self.mode:
            self.outbox.post(SessionPreparing(plan.mode))
        conduct.renewing.ask(Wish(plan, inf if at_turn else trio.current_time()))

    def withdraw(self) -> None:
        """What its client wished for is not wanted any more."""
        if self._succession is not None:
            self._succession.conduct.renewing.withdraw()

    def look(self) -> None:
        """Something has changed that may be a reason to renew the model session."""
        if self._succession is not None:
            self._succession.conduct.renewing.look()

    def farewell(self) -> None:
        """The last words about a session that is over: its open turns ended with it, and why."""
        if self.turns is not None:
            for turn_id in self.turns.abandon().ended:
                self.outbox.post(TurnEnd(turn_id, interrupted=True))
        if self.started:
            self._reports.ended(self.ending.name.lower())
        match self.ending:
            case Ending.LEFT:
                self.outbox.post(Status(StatusCode.CHARACTER_LEFT, "The session is over; start another at any time."))
            case Ending.BY_SERVER:
                self.outbox.post(SessionEndedByServer(self.mode))
            case Ending.FAILED | Ending.DISCARDED:
                pass
            case _:
                assert_never(self.ending)

    # --- what the model session in a slot has to say, to whom it may concern -------------------------------------

    def on_event(self, slot: Slot, event: ModelEvent) -> bool:
        current = slot is self.current
        if self._listening is None:
            slot.note(event)  # a session that is kept for the next start wears on
            return True
        if current or slot.retired:
            self.touch()
        taken = self._listening.on_event(slot, event, current=current)
        if isinstance(event, ReplyStarted | ReplyDone | Expiring):
            self.look()
        return taken

    async def take_later(self, slot: Slot, event: ModelEvent) -> None:
        assert isinstance(event, TextDelta | AudioDelta)  # all else is taken at once
        if self.turns is not None:
            await self.turns.feed_later(slot, event)

    def on_lost(self, slot: Slot, error: ProviderError) -> None:
        log.warning("session.lost", model_session=slot.session.id, code=error.code, details=error.details)
        self.inbox.post(Lost(slot, error))
        self.look()

    def on_over(self, slot: Slot) -> None:
        if self.turns is not None:
            self.turns.broke_off(slot)

    # --- its client ----------------------------------------------------------------------------------------------

    def attend(self) -> None:
        """Its client is there; asked for each of its frames."""
        if self.scope.deadline != inf:
            self.scope.deadline = inf
            self.inbox.look()

    def wait_for_client(self) -> None:
        """Its client is gone: a deadline that attending lifts."""
        self.scope.deadline = trio.current_time() + self._policy.resume_s

    # --- its life --------------------------------------------------------------------------------------------------

    async def _live(self, models: Models) -> None:
        self.outbox.post(SessionPreparing(self.mode))
        async with trio.open_nursery() as nursery:
            minutes = Minutes(self.history, self.callbacks, self._reports)
            translating = Translating(nursery, self.outbox, self.ports.translate, self.language)
            if translating.expected(self.plan.snapshot):
                nursery.start_soon(self.ports.prepare_translation)  # while nobody speaks
            calls = Calls(nursery, self.inbox, self.outbox, self.ports)
            self.turns = Turns(nursery, self.outbox, minutes, self.ports, translating, self._told, calls)
            self._listening = Listening(
                self.turns, self.inbox, self.outbox, self.history, self.callbacks, self._reports
            )
            try:
                with self.ports.starts.hurry():
                    slot = await self._start(models)
                if slot is not None:
                    await self._run_conduct(self._begin(slot, self.turns, models, nursery))
            finally:
                # No checkpoint until the nursery is closed: what a model says from now on is nobody's.
                self._listening = None
            nursery.cancel_scope.cancel()

    def _begin(self, slot: Slot, turns: Turns, models: Models, nursery: trio.Nursery) -> Conduct:
        news = News(self.callbacks, self.history, self.absence)
        succession = Succession(
            models,
            self.outbox,
            news,
            self.swaps,
            self._reports,
            self.newest_of,
            self.scope,
            self.answer,
            self.ports.starts,
            self._vacancy,
            trio.current_time(),
        )
        renewing = Renewing(succession, self.inbox, self.history)
        sight = Sight(self.ports.describe, self.inbox, self.outbox)
        succession.conduct = conduct = Conduct(
            slot,
            renewing,
            news,
            self._reports,
            self.inbox,
            self.outbox,
            self.history,
            turns,
            sight,
            succession,
            self._asked_at,
        )
        self._succession = succession
        self.touch()
        log.info("session.started", character=self.plan.snapshot.name, model_session=slot.session.id)
        self.outbox.post(self.answer())
        self._reports.started(self.mode)
        nursery.start_soon(renewing.run)
        nursery.start_soon(self._vacancy.run, renewing.look)
        nursery.start_soon(sight.run)
        return conduct

    def _told(self, slot: Slot) -> None:
        self.inbox.post(TurnOver(slot))
        self.look()

    async def _start(self, models: Models) -> Slot | None:
        """The model session; None when it did not come up and the client knows."""
        try:
            with trio.fail_at(self._asked_at + START_WITHIN):
                inherited = self.inherit()
                slot = await models.adopt(inherited, self.plan, fresh=self.fresh) if inherited else None
                slot = slot or await self._dial(models)
        except ProviderError as error:
            self._failed(error.code, error.details)
        except trio.TooSlowError:
            self._failed(StatusCode.SESSION_START_FAILED, LATE_DETAILS)
        else:
            return slot
        return None

    async def _dial(self, models: Models) -> Slot:
        """Of the character's provider, or of the one that stands in for it."""
        plan, within_s = self.plan.stand_in(), self._policy.swap_deadline_s
        if plan is None:
            return await models.dial(self.plan)
        try:
            with trio.fail_after(min(within_s, PATIENCE * START_WITHIN)):
                return await models.dial(self.plan)
        except ProviderError as error:
            why = error
        except trio.TooSlowError:
            why = Unreachable(f"{self.plan.provider_name} does not answer")
        slot = await models.dial(plan)
        self.outbox.post(standing_in(self.plan, plan, why))
        self._vacancy.begins(self.plan, why)
        return slot

    async def _run_conduct(self, conduct: Conduct) -> None:
        try:
            await conduct.run()
        except ProviderError as error:
            self._over(error.code, error.details)
        except trio.TooSlowError:
            self._over(StatusCode.API_UNREACHABLE, "no other session came up in its place")

    def _over(self, code: StatusCode, details: str) -> None:
        self.outbox.post(Status(code, details))
        self.end(Ending.BY_SERVER)

    def _failed(self, code: StatusCode, details: str) -> None:
        self.ending = Ending.FAILED
        log.warning("session.failed", character=self.plan.snapshot.name, code=code, details=details)
        self.outbox.post(Status(code, details))
        self.outbox.post(SessionFailed(self.mode))

    def _prepared(self) -> Slot | None:
        """What is kept for the next start: the person has left, and may come back in a moment."""
        conduct = self._conduct
        if self.ending is not Ending.LEFT or conduct is None:
            return None
        slot = conduct.renewing.take()
        if slot is None or not slot.plan.snapshot.session.keep_warm_s:
            return None
        # What the client wished for lasts until now.
        return slot if slot.plan.same(self.newest_of(evolve(slot.plan, wishes={}))) else None
