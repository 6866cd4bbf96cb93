"""What is known of a running model session: what it was told, given and asked, and what it still owes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from math import inf
from typing import NoReturn, Protocol, assert_never
from uuid import uuid4

import trio
from attrs import define, field

from neko.audio.given import Given
from neko.audio.ledger import Ledger
from neko.conversation.callbacks import Callback
from neko.nurseries.hearing import Hearing
from neko.nurseries.patience import Patience
from neko.nurseries.plan import Plan
from neko.nurseries.questions import Question, Settled, in_words, news_in
from neko.nurseries.wear import Wearing
from neko.protocol.client import InputMode
from neko.realtime.errors import ProviderError
from neko.realtime.session import (
    AudioDelta,
    Complaint,
    Expiring,
    GoOn,
    Hear,
    ModelEvent,
    ModelSession,
    Repeating,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    Resumable,
    Say,
    SpeechStarted,
    SpeechStopped,
    Tell,
    TextDelta,
    ToolCalled,
    ToolResult,
    UserSaid,
)

REMEMBERED = 16  # interrupted replies; of older ones nothing comes any more


@define(eq=False)
class Slot:
    """A place that a running model session fills. Whoever conducts the session is the only one that sends to it."""

    session: ModelSession
    plan: Plan
    scope: trio.CancelScope
    listener: Listener
    over: trio.Event  # it is closed
    id: str = field(factory=lambda: f"model_{uuid4().hex[:12]}", init=False)  # ours; two vendors may give the same
    lost: ProviderError | None = field(default=None, init=False)
    hearing: Hearing = field(init=False)
    patience: Patience = field(init=False)
    wearing: Wearing = field(init=False)
    owed: list[Question] = field(factory=list, init=False)  # asked of it, and not begun to be answered
    unanswered: set[int] = field(factory=set, init=False)  # the typed words among that, by their number in the history
    unspoken: bool = field(default=False, init=False)  # it has an utterance that no reply has begun to answer
    answering: bool = field(default=False, init=False)  # a reply has begun, and is not done
    speaking: bool = field(default=False, init=False)  # that one has words
    retired: bool = field(default=False, init=False)  # another one took its place; it says what it has begun
    calls: dict[str, ToolCalled] = field(factory=dict, init=False)  # tools that it waits for
    noted: list[Callback] = field(factory=list, init=False)  # news that it has and has not told
    told: int = field(init=False)  # the mark of the history up to which it knows what was said without it
    resumable: tuple[str, int] | None = field(default=None, init=False)  # the last handle, and the history's mark then
    knows: set[str] = field(init=False)  # the sessions whose part of the conversation it took over
    _cut: deque[str] = field(factory=lambda: deque(maxlen=REMEMBERED), init=False)  # replies that were interrupted
    _calls_tool: bool = field(default=False, init=False)  # in the reply that it is giving
    _asking: tuple[Question, ...] = field(default=(), init=False)  # they are on their way
    _called_off: bool = field(default=False, init=False)  # it was asked to go on, and the person speaks instead
    _unasked: bool = field(default=False, init=False)  # what it is about to answer was said by nobody
    _stops_by: float = field(default=-inf, init=False)  # the last of them is not done yet, or nobody will ever say so
    _made_of_by: float = field(default=-inf, init=False)  # what another one had heard is speech, or is none after all
    _unsent: Hear | None = field(default=None, init=False)
    _refused: ModelEvent | None = field(default=None, init=False)  # told, and to be taken later

    def __attrs_post_init__(self) -> None:
        facts, policy = self.session.facts, self.plan.snapshot.session
        # A typed conversation is deaf, whatever its provider hears.
        hz = facts.hears_hz if self.plan.mode is InputMode.AUDIO else None
        self.hearing = Hearing(hz, self.listener.ledger, facts.tells_speech, policy.noise_suppression)
        self.patience = Patience(policy.silence_s if facts.watched else inf)
        self.wearing = Wearing(facts, self.plan.lines)
        self.told = self.plan.mark
        self.knows = {self.id}

    @property
    def gone(self) -> bool:
        """Nobody can talk to it any more."""
        return self.lost is not None or self.scope.cancel_called or self.over.is_set()

    @property
    def waited_for(self) -> bool:
        """Somebody is speaking to it, or waits for its answer."""
        if self.unspoken or self.answering or self.owed or self.calls:
            return True
        now = trio.current_time()
        return now < self._stops_by or (self.given.wanted and (now < self._made_of_by or not self.given.carried))

    @property
    def gives_up_at(self) -> float:
        """When something that it is waited for for will not be waited for any more; infinite when that is nothing."""
        now = trio.current_time()
        return min((by for by in (self._stops_by, self._made_of_by) if now < by), default=inf)

    @property
    def given(self) -> Given:
        return self.hearing.given

    @property
    def hears_hz(self) -> int | None:
        """The rate of the sound that it is given; None: it is deaf."""
        return self.hearing.hz

    @property
    def speaks_hz(self) -> int:
        """The rate of the sound that it sends; only a session that speaks sends any."""
        return self.session.facts.speaks_hz or 0

    def note(self, event: ModelEvent) -> Settled | None:
        """Keeps account of what another session would have to be told if this one ended now.

        What it says of a reply that was interrupted answers nothing any more.
        """
        self.wearing.note(event)
        match event:
            case SpeechStarted():
                self._unasked = False
                self.given.began()
                self._called_off = self._called_off or any(isinstance(each, GoOn) for each in self.owed)
                self.owed = [each for each in self.owed if not isinstance(each, GoOn)]
                self.patience.rest()
            case SpeechStopped(at_ms):
                self.given.ended(at_ms)
                self.unspoken = True
                self.patience.expect()
            case UserSaid(text):
                # What it has of the person is words by now; none were said, and none will be answered, in a cough.
                self.given.answered(told=self.unspoken)
                self.unspoken = self.unspoken and bool(text.strip())
                self._expect_if_busy()
            case ReplyStarted() if self._talked_over or self._unasked:
                # It was asked for before the person began to speak, and would keep their own answer from them.
                self._called_off = self._unasked = False
                tells = tuple(each for each in self.owed if isinstance(each, Tell))
                self.owed = [each for each in self.owed if not isinstance(each, Tell)]
                return Settled(tells, answered=False, refused=True, news=news_in(tells))
            case ReplyStarted():
                self._called_off = False
                self.answering, self.speaking, self._stops_by = True, False, -inf
                self._calls_tool = False
                self.patience.expect()
            case TextDelta(reply_id) | AudioDelta(reply_id) if reply_id not in self._cut:
                # With its first word it answers; a reply that broke off before that was none.
                begins, self.answering, self.speaking = not self.speaking, True, True
                self.patience.expect()
                return self._settle(answered=True) if begins else None
            case ReplyDone(reply_id, status) if reply_id not in self._cut:
                spoke, self.answering, self.speaking = self.speaking, False, False
                # Without a word it has answered nothing, unless it asks for something first.
                answered = status is ReplyStatus.COMPLETED and self._calls_tool
                # Typed words call off the reply before theirs, and have still asked for their own.
                asked = Say if status is ReplyStatus.CANCELLED else ()
                settled = None if spoke else self._settle(answered=answered, but=asked)
                self._expect_if_busy()
                return settled
            case ReplyDone():
                self._stops_by = -inf
                self._expect_if_busy()
            case ToolCalled(call_id):
                self.calls[call_id] = event
                self._calls_tool = True
            case TextDelta() | AudioDelta() | Repeating() | Complaint() | Expiring() | Resumable():
                pass
            case _:
                assert_never(event)
        return None

    @property
    def _talked_over(self) -> bool:
        """A reply that begins now was asked for before the person began to speak."""
        speaking = self.session.facts.tells_speech and self.given.speaking
        return speaking and bool(self.owed or self._called_off)

    def cut(self, reply_id: str) -> None:
        """The person interrupted this reply, which it may still be giving."""
        self._cut.append(reply_id)
        if self.answering:
            self._stops_by = trio.current_time() + self.plan.snapshot.session.silence_s
        self.answering = self.speaking = False
        self._expect_if_busy()

    def disregard(self) -> None:
        """The last utterance was nobody's: what it answers to that is not wanted."""
        self.unspoken, self._unasked = False, True
        self._expect_if_busy()

    def move_to(self, new: Slot) -> bytes:
        """Whatever it was given and asked is the new session's to make use of; the sound, at the new one's rate.

        Sync: there is no moment at which both have it, or neither.
        """
        stops = self.lost is not None or not self.speaking
        goes_on = stops and (self.answering or self.unspoken) and not self.given.wanted
        new.owed += self.owed or ([GoOn()] if goes_on else [])
        new.calls |= self.calls
        new.unanswered |= self.unanswered
        sound = self.hearing.hand_to(new.hearing)
        new._made_of_by = trio.current_time() + new.plan.snapshot.session.silence_s
        if stops or self.owed:
            self.answering = self.speaking = False
        self.owed, self.calls, self.unanswered, self.unspoken = [], {}, set(), False
        return sound

    def end(self) -> None:
        """Nobody will make use of what it was given."""
        self.hearing.end()

    def _settle(self, *, answered: bool, but: type[Say] | tuple[()] = ()) -> Settled:
        """All that it was asked and given is answered, or will not be; `but` questions of this kind still will."""
        if self.unspoken or any(isinstance(each, Say) and not isinstance(each, but) for each in self.owed):
            self.wearing.turns += 1
        if self.unspoken or not self.owed:
            # A reply that was asked for answers that, and not what the person began to say meanwhile.
            self.given.answered(told=self.unspoken)
        later = {id(each) for each in self.owed if isinstance(each, but)}
        self.unspoken, self.unanswered = False, self.unanswered if later else set()
        noted, self.noted = (self.noted, []) if answered else ([], self.noted)
        # A reply that began before the session had them tells nothing of an agent's results.
        later |= {id(each) for each in self._asking if isinstance(each, Tell)}
        questions = tuple(each for each in self.owed if id(each) not in later)
        self.owed = [each for each in self.owed if id(each) in later]
        return Settled(questions, answered, news=(*noted, *news_in(questions)))

    async def ask(self, *questions: Question) -> None:
        """Something that is to be answered, all of it in one reply. Raises `SessionLost`."""
        self.owed += questions
        self.patience.expect()
        *earlier, last = questions
        self._asking = questions
        await self.tell(earlier)
        await self.session.send(last)
        self._asking = ()

    async def tell(self, questions: Sequence[Question]) -> None:
        """What need not be answered: results that do not ask, anything else in words. Raises `SessionLost`."""
        lines = in_words(questions)
        if lines:
            await self.session.prime(lines)
        for each in questions:
            if isinstance(each, ToolResult):
                await self.session.send(each)

    def was_cut(self, reply_id: str) -> bool:
        """The person interrupted it, or it was refused."""
        return reply_id in self._cut

    async def hear(self, pcm: bytes, sample_rate: int) -> None:
        """Passes the person's sound on, at the rate that the provider takes; a text session is deaf."""
        sound = self.hearing.take_in(pcm, sample_rate)
        if sound:
            await self.session.send(Hear(sound))

    def hear_now(self, pcm: bytes, sample_rate: int) -> bool:
        """`hear`, without waiting; False when `send_rest` is to send it before anything else is sent."""
        sound = self.hearing.take_in(pcm, sample_rate)
        if sound and not self.session.send_now(Hear(sound)):
            self._unsent = Hear(sound)
        return self._unsent is None

    @property
    def up_to_date(self) -> bool:
        """It has been sent all that it was given."""
        return self._unsent is None

    async def send_rest(self) -> None:
        """What `hear_now` has left. A session that is lost meanwhile says so by itself."""
        if self._unsent is not None:
            unsent, self._unsent = self._unsent, None
            with suppress(ProviderError):
                await self.session.send(unsent)

    async def listen(self) -> NoReturn:
        """Tells its listener what it says. Raises `ProviderError`, also when it owes an answer and stays silent."""
        while True:
            event = await self.patience.with_(self._until_behind)
            await self.listener.take_later(self, event)

    async def _until_behind(self) -> ModelEvent:
        """Tells what it says until something is not taken at once; that is returned."""
        while True:
            event = await self.session.receive(self._tell)
            if event is self._refused or not self._tell(event):
                return event

    def _tell(self, event: ModelEvent) -> bool:
        told = self.listener.on_event(self, event)
        self._refused = None if told else event
        return told

    async def watch(self) -> None:
        """Asks now and then whether anybody is there; ends `receive` when nobody answers."""
        silence_s = self.plan.snapshot.session.silence_s
        while True:
            await trio.sleep(silence_s / 2)
            with trio.move_on_after(silence_s) as asking:
                await self.session.ping()
            if asking.cancelled_caught:
                self.patience.end()

    def _expect_if_busy(self) -> None:
        if self.unspoken or self.answering or self.owed:
            self.patience.expect()
        else:
            self.patience.rest()


class Listener(Protocol):
    """Whoever the model session's events concern."""

    @property
    def ledger(self) -> Ledger: ...

    def on_event(self, slot: Slot, event: ModelEvent) -> bool:
        """False: not taken, because whoever is told is behind; it is to be taken later."""
        ...

    async def take_later(self, slot: Slot, event: ModelEvent) -> None:
        """Waits until there is room for it."""
        ...

    def on_lost(self, slot: Slot, error: ProviderError) -> None: ...

    def on_over(self, slot: Slot) -> None: ...
