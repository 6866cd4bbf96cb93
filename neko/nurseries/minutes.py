"""What is entered when a reply is over: its words, the news that they told, and that agents know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from neko.conversation.callbacks import AgentCallbacks, Callback
from neko.conversation.history import History, Role
from neko.nurseries.reports import Reports

if TYPE_CHECKING:
    from neko.nurseries.turn import Turn


@frozen
class Minutes:
    """Of one session. Sync: words and the news that they told are durable together, or not at all."""

    history: History
    _callbacks: AgentCallbacks
    _reports: Reports

    def enter(self, turn: Turn, text: str, *, interrupted: bool) -> int | None:
        """So much of a reply was told; nothing more of it will be. Its number, None for one without words."""
        number = self.history.add(Role.ASSISTANT, text, by=turn.slot.id, mood=turn.mood)
        self._callbacks.said(turn.news)
        self._reports.turn_ended(turn.id, text, interrupted=interrupted)
        return number

    def tells(self, turn: Turn | None, news: tuple[Callback, ...]) -> None:
        """This reply has begun to tell them; None: it has no words of its own, or has had them all."""
        if turn is None:
            self._callbacks.said(news)
        else:
            turn.news += news
