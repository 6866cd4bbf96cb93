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

from neko.config.snapshot import Snapshot
from neko.conversation.history import History
from neko.nurseries.conduct import Conduct
from neko.nurseries.inbox import Inbox, Lost, Swap, TurnOver
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
from neko.realtime.session import Line, ModelEvent, Say
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
    wishes: dict[str, object] = field(factory=dict, init=False)  # what `swap_session` changed, until the session ends
    turns: Turns | None = field(default=None, init=False)
    _conduct: Conduct | None = field(default=None, init=False)
    _asked_at: float = field(factory=trio.current_time, init=False)
    _home: trio.Nursery | None = field(default=None, init=False)  # of everything that it starts, while it runs
    _idle: trio.CancelScope = field(factory=trio.CancelScope, init=False)

    @property
    def mode(self) -> InputMode:
        return self.current.plan.mode if self.current else self.plan.mode

    @property
    def snapshot(self) -> Snapshot:
        """What the model session that runs was made of."""
        return self.current.plan.snapshot if self.current else self.plan.snapshot

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

    def swap(self, plan: Plan, reason: str, *, at_turn: bool) -> None:
        """Has a session of that plan prepared, and put in the place of the one that runs; only while it runs."""
        assert self._home is not None
        if plan.mode is not self.mode:
            self.outbox.post(SessionPreparing(plan.mode))
        self._home.start_soon(self._prepare, plan, reason, at_turn)

    async def on_event(self, slot: Slot, event: ModelEvent) -> None:
        slot.note(event)
        if self.turns is not None:
            self.touch()
            await self._listening(self.turns).on_event(slot, event, current=slot is self.current)

    def on_lost(self, slot: Slot, error: ProviderError) -> None:
        log.warning("session.lost", model_session=slot.session.id, code=error.code, details=error.details)
        self.inbox.post(Lost(slot, error))

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
            self._home = nursery
            self.turns = Turns(
                nursery, self.outbox, self.history, self.ports, self.language, lambda: self.inbox.post(TurnOver())
            )
            slot = await self._start()
            if slot is None:
                nursery.cancel_scope.cancel()
            else:
                self._conduct = Conduct(
                    slot,
                    self.inbox,
                    self.outbox,
                    self.history,
                    self.turns,
                    self._dial_again,
                    self.answer,
                    self._asked_at,
                )
                self.touch()
                log.info("session.started", character=self.plan.snapshot.name, model_session=slot.session.id)
                self.outbox.post(self.answer())
                nursery.start_soon(self._run_conduct, self._conduct)

    async def _start(self) -> Slot | None:
        """The model session; None when it did not come up and the client knows."""
        try:
            with trio.fail_after(START_WITHIN):
                slot = await self._dial(self.plan)
        except ProviderError as error:
            self._failed(error.code, error.details)
        except trio.TooSlowError:
            self._failed(StatusCode.SESSION_START_FAILED, LATE_DETAILS)
        else:
            return slot
        return None

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

    async def _dial_again(self, old: Slot) -> Slot:
        """A session as the lost one was; the question that it owed comes after, and is not told twice."""
        return await self._dial(old.plan, but=old.owed.text if isinstance(old.owed, Say) else None)

    async def _dial(self, plan: Plan, *, but: str | None = None) -> Slot:
        """A session that was told what was said until now, unfinished replies included. Raises `ProviderError`."""
        assert self._home is not None
        lines = [*recap(plan.snapshot, self.history)]
        if but is not None and lines and lines[-1].text == but.strip():
            lines.pop()
        lines += [Line("assistant", text) for text in self.turns.unfinished()] if self.turns else []
        told = evolve(plan, lines=tuple(lines), mark=self.history.mark)
        slot: Slot = await self._home.start(run_model_session, self.ports.connect, told, self)
        if slot.lost is not None:
            raise slot.lost
        return slot

    async def _prepare(self, plan: Plan, reason: str, at_turn: bool) -> None:
        """The pending session, in the background; the old one goes on when it does not come up."""
        try:
            with trio.fail_after(plan.snapshot.session.swap_deadline_s):
                pending = await self._dial(plan)
        except ProviderError as error:
            self._not_swapped(plan, error.details)
        except trio.TooSlowError:
            self._not_swapped(plan, "the new session did not come up in time; the old one goes on")
        else:
            self.inbox.post(Swap(pending, reason, at_turn))

    def _not_swapped(self, plan: Plan, details: str) -> None:
        self.outbox.post(Status(StatusCode.SWAP_FAILED, details))
        if plan.mode is not self.mode:
            self.outbox.post(SessionFailed(plan.mode))

    def _failed(self, code: StatusCode, details: str) -> None:
        self.ending = Ending.FAILED
        log.warning("session.failed", character=self.plan.snapshot.name, code=code, details=details)
        self.outbox.post(Status(code, details))
        self.outbox.post(SessionFailed(self.mode))
