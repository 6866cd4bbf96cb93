"""What agents are told of one session, and when they are asked whether there is something to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, field

from neko.conversation.history import History, Role
from neko.nurseries.ports import Agents
from neko.protocol.agents.events import (
    AnalyzeRequest,
    Message,
    SessionEnded,
    SessionEvent,
    SessionNews,
    SessionStarted,
    SessionSwapped,
    TurnEnd,
    UserTranscript,
)
from neko.protocol.client import InputMode
from neko.protocol.server import SessionSwapped as Swapped

ENABLED = "agent_enabled"  # the flag by which agents say that they want to be asked, as in N.E.K.O.
ASKED_ABOUT = 10  # utterances that an agent is shown: what is asked for, and what it refers to
MOST_CHARACTERS = 4_000  # of each


@define(eq=False)
class Reports:
    """Nothing here waits: agents are told beside the conversation, never in its way."""

    _character: str
    _session_id: str
    _agents: Agents
    _history: History
    _flags: Mapping[str, Any]
    _asked: int = field(init=False)  # the mark of the history up to which agents have been asked

    def __attrs_post_init__(self) -> None:
        self._asked = self._history.mark

    def started(self, mode: InputMode) -> None:
        self._publish(SessionStarted(self._session_id, mode))

    def ended(self, reason: str) -> None:
        self._publish(SessionEnded(self._session_id, reason))

    def said(self, text: str) -> None:
        """By the person."""
        self._publish(UserTranscript(self._session_id, text))

    def swapped(self, told: Swapped) -> None:
        self._publish(SessionSwapped(self._session_id, told.reason, told.old, told.new, told.gap_ms, told.lost_ms))

    def turn_ended(self, turn_id: str, text: str, *, interrupted: bool) -> None:
        """Agents that want to are asked, once for what the person has said: their own results are no reason to ask."""
        self._publish(TurnEnd(self._session_id, turn_id, text, interrupted))
        new = self._history.since(self._asked)
        if self._flags.get(ENABLED) and any(each.role is Role.USER for each in new):
            self._agents.analyze(AnalyzeRequest(self._character, self._session_id, self._recent()))
        self._asked = self._history.mark

    def _recent(self) -> tuple[Message, ...]:
        said = [each for each in self._history.context() if each.role is not Role.SYSTEM]
        return tuple(Message(each.role, each.text[:MOST_CHARACTERS]) for each in said[-ASKED_ABOUT:])

    def _publish(self, news: SessionNews) -> None:
        self._agents.publish(SessionEvent(self._character, news))
