"""What a model session says, turned into what the client is told; runs in that session's own task."""

from __future__ import annotations

from typing import assert_never

from attrs import define

from neko.conversation.history import History, Role
from neko.nurseries.inbox import Inbox
from neko.nurseries.outbox import Outbox
from neko.nurseries.slot import Slot
from neko.nurseries.turns import Turns
from neko.protocol.server import Status, UserTranscript
from neko.realtime.session import (
    AudioDelta,
    Complaint,
    Expiring,
    ModelEvent,
    ReplyDone,
    ReplyStarted,
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
    inbox: Inbox
    outbox: Outbox
    history: History

    async def on_event(self, slot: Slot, event: ModelEvent, *, current: bool) -> None:
        """`current`: the person talks to this session; of a retired one only what it is still saying counts."""
        match event:
            case AudioDelta() | TextDelta():
                await self._piece(slot, event)
            case SpeechStarted():
                if current:
                    self.barge_in()
            case SpeechStopped():
                pass
            case UserSaid(text):
                self._user_said(slot, text)
            case ReplyStarted(reply_id, request_id):
                self._reply(slot, reply_id, request_id)
            case ReplyDone(reply_id, status):
                self.turns.generated(slot, reply_id, status)
            case Expiring() | ToolCalled():
                pass
            case Complaint(code, details):
                log.warning("provider.complains", model_session=slot.session.id, code=code, details=details)
                self.outbox.post(Status(code, details))
            case _:
                assert_never(event)

    def barge_in(self) -> None:
        """The person began to speak: the client falls silent first, then the model hears what was heard of it."""
        cut = self.turns.cut_short()
        for message in cut.messages():
            self.outbox.post(message)
        for each in cut.cuts:
            self.inbox.post(each)

    async def _piece(self, slot: Slot, piece: TextDelta | AudioDelta) -> None:
        if not self.turns.knows(slot, piece.reply_id):
            # Some providers forget to say that a reply begins.
            self._reply(slot, piece.reply_id, None)
        await self.turns.feed(slot, piece)

    def _reply(self, slot: Slot, reply_id: str, request_id: str | None) -> None:
        if not self.turns.knows(slot, reply_id):
            self.turns.open(reply_id, request_id, slot)

    def _user_said(self, slot: Slot, text: str) -> None:
        if text.strip():
            self.history.add(Role.USER, text, by=slot.id)
            self.outbox.post(UserTranscript(text.strip()))
