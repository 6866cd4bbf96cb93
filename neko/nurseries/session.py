"""One session, start_session … end_session: a scope that owns the model session and the turns."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from enum import Enum, auto
from math import inf
from typing import assert_never
from uuid import uuid4

import trio
from attrs import define, evolve, field

from neko.conversation.history import History
from neko.nurseries.conduct import Conduct
from neko.nurseries.inbox import Inbox
from neko.nurseries.listening import Listening
from neko.nurseries.outbox import Outbox
from neko.nurseries.ports import Ports
from neko.nurseries.recap import recap
from neko.nurseries.slot import Plan, Slot, run_model_session
from neko.nurseries.turns import Turns
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
from neko.realtime.errors import ProviderError
from neko.realtime.session import ModelEvent
from neko.telemetry import get_logger

log = get_logger("session")

START_WITHIN = 9.0  # seconds; N.E.K.O. clients give up when session_started does not come within 10

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
    id: str = field(factory=lambda: f"session_{uuid4().hex[:12]}", init=False)
    resume_token: str = field(factory=lambda: secrets.token_urlsafe(16), init=False, repr=False)
    scope: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    over: trio.Event = field(factory=trio.Event, init=False)
    ending: Ending = field(default=Ending.DISCARDED, init=False)
    turns: Turns | None = field(default=None, init=False)
    _conduct: Conduct | None = field(default=None, init=False)
    _asked_at: float = field(factory=trio.current_time, init=False)
    _idle: trio.CancelScope = field(factory=trio.CancelScope, init=False)

    @property
    def mode(self) -> InputMode:
        return self.plan.mode

    @property
    def started(self) -> bool:
        return self._conduct is not None

    @property
    def current(self) -> Slot | None:
        """The model session that the person talks to."""
        return self._conduct.current if self._conduct else None

    def answer(self) -> SessionStarted:
        """What a client that asks for this session is told."""
        return SessionStarted(self.mode, self.id, self.resume_token)

    def end(self, ending: Ending) -> None:
        """Cancels everything in it; the first reason given is the reason."""
        if not self.scope.cancel_called:
            self.ending = ending
            self.scope.cancel()

    def touch(self) -> None:
        """The conversation is not idle."""
        limit = self.plan.snapshot.session.idle_end_s
        self._idle.deadline = trio.current_time() + limit if limit else inf

    async def run(self) -> None:
        """Starts, lives until it is ended, and has cleaned up when it returns.

        Raises only bugs; how it ended is in `ending`.
        """
        with self.scope:
            with self._idle:
                await self._live()
            if self._idle.cancelled_caught:
                self.ending = Ending.BY_SERVER

    def interrupt(self) -> None:
        """The person cuts in."""
        if self.turns is not None:
            self._listening(self.turns).barge_in()

    async def on_event(self, slot: Slot, event: ModelEvent) -> None:
        if self.turns is not None:
            self.touch()
            await self._listening(self.turns).on_event(slot, event, current=slot is self.current)

    def on_lost(self, slot: Slot, error: ProviderError) -> None:
        log.warning("session.lost", model_session=slot.session.id, code=error.code, details=error.details)
        if slot is self.current:
            self.outbox.post(Status(error.code, error.details))
            self.end(Ending.BY_SERVER)

    def farewell(self) -> None:
        """The last words about a session that is over: its open turns ended with it, and why."""
        if self.turns is not None:
            for turn_id in self.turns.abandon().ended:
                self.outbox.post(TurnEnd(turn_id, interrupted=True))
        match self.ending:
            case Ending.LEFT:
                self.outbox.post(Status(StatusCode.CHARACTER_LEFT, "The session is over; start another at any time."))
            case Ending.BY_SERVER:
                self.outbox.post(SessionEndedByServer(self.mode))
            case Ending.FAILED | Ending.DISCARDED:
                pass
            case _:
                assert_never(self.ending)

    def _listening(self, turns: Turns) -> Listening:
        return Listening(turns, self.inbox, self.outbox, self.history)

    async def _live(self) -> None:
        self.outbox.post(SessionPreparing(self.mode))
        async with trio.open_nursery() as nursery:
            self.turns = Turns(nursery, self.outbox, self.history, self.ports, self.language)
            slot = await self._start(nursery)
            if slot is None:
                nursery.cancel_scope.cancel()
            else:
                self._conduct = Conduct(slot, self.inbox, self.outbox, self.history, self.turns, self._asked_at)
                self.touch()
                log.info("session.started", character=self.plan.snapshot.name, model_session=slot.session.id)
                self.outbox.post(self.answer())
                nursery.start_soon(self._conduct.run)

    async def _start(self, nursery: trio.Nursery) -> Slot | None:
        """The model session; None when it did not come up and the client knows."""
        try:
            with trio.fail_after(START_WITHIN):
                slot: Slot = await nursery.start(run_model_session, self.ports.connect, self._told(), self)
            if slot.lost is not None:
                raise slot.lost
        except ProviderError as error:
            self._failed(error.code, error.details)
        except trio.TooSlowError:
            self._failed(
                StatusCode.SESSION_START_FAILED,
                f"the model was not ready within {START_WITHIN:.0f} s; try again in a moment",
            )
        else:
            return slot
        return None

    def _told(self) -> Plan:
        """The plan with what was said until now; the session before had to be over for that."""
        return evolve(self.plan, lines=recap(self.plan.snapshot, self.history))

    def _failed(self, code: StatusCode, details: str) -> None:
        self.ending = Ending.FAILED
        log.warning("session.failed", character=self.plan.snapshot.name, code=code, details=details)
        self.outbox.post(Status(code, details))
        self.outbox.post(SessionFailed(self.mode))
