"""One model session, from its connecting to its end."""

from __future__ import annotations

from typing import Protocol, assert_never

import trio
from attrs import define, field, frozen

from neko.audio.given import Given
from neko.audio.resample import SpeechResampler
from neko.config.snapshot import Snapshot
from neko.nurseries.ports import Connect
from neko.protocol.client import InputMode
from neko.realtime.errors import ProviderError
from neko.realtime.session import (
    AudioDelta,
    Complaint,
    Expiring,
    Hear,
    Line,
    ModelEvent,
    ModelSession,
    ReplyDone,
    ReplyStarted,
    Say,
    SpeechStarted,
    SpeechStopped,
    Tell,
    TextDelta,
    ToolCalled,
    UserSaid,
)


@frozen
class Plan:
    """What a model session is to be."""

    snapshot: Snapshot
    mode: InputMode
    lines: tuple[Line, ...] = field(default=(), repr=False)  # what was said before it
    mark: int = 0  # of the history, when the lines were taken from it


@define(eq=False)
class Slot:
    """A place that a running model session fills. Whoever conducts the session is the only one that sends to it."""

    session: ModelSession
    plan: Plan
    scope: trio.CancelScope
    lost: ProviderError | None = field(default=None, init=False)
    given: Given = field(init=False)
    owed: Say | Tell | None = field(default=None, init=False)  # it was asked this and has not begun to answer
    answering: bool = field(default=False, init=False)  # it has heard the person, and not said all of its answer
    ears: SpeechResampler | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.given = Given(self.session.facts.hears_hz or 0)

    def note(self, event: ModelEvent) -> None:
        """Keeps account of what another session would have to be told if this one ended now."""
        match event:
            case SpeechStarted():
                self.given.began()
            case SpeechStopped(at_ms):
                self.given.ended(at_ms)
            case UserSaid(text):
                self.given.answered()
                self.answering = bool(text.strip())
            case ReplyStarted():
                self.given.answered()
                self.owed, self.answering = None, True
            case ReplyDone():
                self.answering = False
            case TextDelta() | AudioDelta() | Complaint() | Expiring() | ToolCalled():
                pass
            case _:
                assert_never(event)

    async def ask(self, question: Say | Tell) -> None:
        """Something that is to be answered."""
        self.owed = question
        await self.session.send(question)

    @property
    def speaks_hz(self) -> int:
        """The rate of the sound that it sends; only a session that speaks sends any."""
        return self.session.facts.speaks_hz or 0

    async def hear(self, pcm: bytes, sample_rate: int) -> None:
        """Passes the person's sound on, at the rate that the provider takes; a text session is deaf."""
        hears_hz = self.session.facts.hears_hz
        if hears_hz is None:
            return
        if self.ears is None or self.ears.from_hz != sample_rate:
            self.ears = SpeechResampler(sample_rate, hears_hz)
        sound = self.ears.push(pcm)
        if sound:
            # First the account: a session that is lost in the next line has not made use of it.
            self.given.add(sound)
            await self.session.send(Hear(sound))


class Listener(Protocol):
    """Whoever the model session's events concern."""

    async def on_event(self, slot: Slot, event: ModelEvent) -> None: ...

    def on_lost(self, slot: Slot, error: ProviderError) -> None: ...


async def run_model_session(
    connect: Connect, plan: Plan, listener: Listener, *, task_status: trio.TaskStatus[Slot]
) -> None:
    """Runs one model session: started when it is connected, over when it is lost or its scope is cancelled.

    Raises:
        ProviderError: it did not come up; later errors go to `listener.on_lost`.
    """
    with trio.CancelScope() as scope:
        async with connect(plan.snapshot, plan.mode, plan.lines) as session:
            slot = Slot(session, plan, scope)
            task_status.started(slot)
            try:
                while True:
                    await listener.on_event(slot, await session.receive())
            except ProviderError as error:
                # Before the goodbye to a provider that may not answer it.
                slot.lost = error
                listener.on_lost(slot, error)
