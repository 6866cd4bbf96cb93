"""What a model session says, turned into what the client is told; runs in that session's own tasks."""

from __future__ import annotations

from typing import assert_never

from attrs import define, field

from neko.conversation.callbacks import AgentCallbacks
from neko.conversation.echo import is_echo
from neko.conversation.history import History, Role
from neko.nurseries.inbox import Inbox
from neko.nurseries.outbox import Outbox
from neko.nurseries.questions import Settled
from neko.nurseries.reports import Reports
from neko.nurseries.slot import Slot
from neko.nurseries.turns import Turns
from neko.protocol.server import RepetitionWarning, ResponseDiscarded, Status, UserTranscript
from neko.realtime.session import (
    AudioDelta,
    Complaint,
    Expiring,
    ModelEvent,
    Repeating,
    ReplyDone,
    ReplyStarted,
    Resumable,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    ToolCalled,
    UserSaid,
)
from neko.telemetry import get_logger

log = get_logger("listening")


@define(eq=False)
class Listening:
    """Shared by all model sessions of one session: replies of a retired one are still told to their end."""

    turns: Turns
    _inbox: Inbox
    _outbox: Outbox
    _history: History
    _callbacks: AgentCallbacks
    _reports: Reports
    _suspected: bool = field(default=False, init=False)  # who speaks may be the character itself, from a loudspeaker

    def on_event(self, slot: Slot, event: ModelEvent, *, current: bool) -> bool:
        """`current`: the person talks to this session; of a retired one only what it is still saying counts.

        False: the piece of a reply was not taken, and `turns.feed_later` will.
        """
        if slot.retired and slot.scope.cancel_called:
            # It was on its way when the session was sent home, and what it answers is asked of another one by now.
            if isinstance(event, TextDelta | AudioDelta):
                self.turns.drop(slot, event)
            return True
        taken = True
        waited_for, carried = slot.waited_for, slot.given.carried
        settled = slot.note(event)
        self._settle(settled)
        if settled is not None and settled.refused and isinstance(event, ReplyStarted):
            self._inbox.post(self.turns.refuse(slot, event.reply_id))
        elif current or slot.retired:
            taken = self._pass_on(slot, event, barge_in=current and not carried)
        if settled is not None and settled.answered and isinstance(event, TextDelta | AudioDelta | ReplyDone):
            self.turns.tells(slot, event.reply_id, settled.news)
        if slot.retired and not slot.speaking:
            slot.scope.cancel()  # it has said what it had begun
        if waited_for and not slot.waited_for:
            self._inbox.look()
        return taken

    def _settle(self, settled: Settled | None) -> None:
        """With its first word a reply tells what agents have brought; one that ends without any has not told it."""
        if settled is None:
            return
        if settled.answered:
            self._callbacks.told(settled.news)
        elif settled.refused:
            self._callbacks.put_back(settled.news)
        else:
            self._callbacks.failed(settled.news)

    def _pass_on(self, slot: Slot, event: ModelEvent, *, barge_in: bool) -> bool:
        """`barge_in`: that somebody speaks is news; not so when the session before has said it already."""
        match event:
            case AudioDelta() | TextDelta():
                return self._piece(slot, event)
            case SpeechStarted():
                if barge_in:
                    self._speech_began(slot)
            case SpeechStopped():
                pass
            case UserSaid(text):
                self._user_said(slot, text)
            case ReplyStarted(reply_id, request_id):
                self._confirm()  # nobody can know better any more
                self._reply(slot, reply_id, request_id)
            case ReplyDone(reply_id, status):
                self.turns.generated(slot, reply_id, status)
            case ToolCalled():
                self.turns.calls.begin(slot, event)
            case Repeating():
                self._outbox.post(RepetitionWarning())
            case Expiring():
                pass
            case Resumable(handle):
                slot.resumable = (handle, self._history.mark)
            case Complaint(code, details):
                log.warning("provider.complains", model_session=slot.session.id, code=code, details=details)
                self._outbox.post(Status(code, details))
            case _:
                assert_never(event)
        return True

    def _speech_began(self, slot: Slot) -> None:
        """With a guard against echoes, who speaks while the character does cuts in once it is known what they say."""
        self._suspected = slot.plan.snapshot.session.echo_guard and self.turns.playing
        if not self._suspected:
            self.barge_in()

    def _confirm(self) -> None:
        """It was the person."""
        if self._suspected:
            self.barge_in()

    def barge_in(self) -> None:
        """The person began to speak: the client falls silent first, then the model hears what was heard of it."""
        self._suspected = False
        cut = self.turns.cut_short()
        for message in cut.messages():
            self._outbox.post(message)
        for each in cut.cuts:
            self._inbox.post(each)
        for done in cut.tools:
            self._inbox.post(done)

    def _piece(self, slot: Slot, piece: TextDelta | AudioDelta) -> bool:
        if not self.turns.knows(slot, piece.reply_id):
            # Some providers forget to say that a reply begins.
            self._reply(slot, piece.reply_id, None)
        return self.turns.feed(slot, piece)

    def _reply(self, slot: Slot, reply_id: str, request_id: str | None) -> None:
        if not self.turns.knows(slot, reply_id):
            self.turns.open(reply_id, request_id, slot)

    def _user_said(self, slot: Slot, text: str) -> None:
        suspected = self._suspected and bool(text.strip())
        if suspected and is_echo(text, self.turns.heard()):
            slot.disregard()
            self._outbox.post(ResponseDiscarded())
        elif text.strip():
            self._confirm()
            self._history.add(Role.USER, text, by=slot.id)
            self._outbox.post(UserTranscript(text.strip()))
            self._reports.said(text.strip())
        self._suspected = False
