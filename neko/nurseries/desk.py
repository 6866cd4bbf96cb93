"""Where agents bring what they have for one character."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import field, frozen

from neko.conversation.callbacks import AgentCallbacks
from neko.conversation.results import callback_of, status_of
from neko.nurseries.reception import Reception
from neko.protocol.agents.reports import Result
from neko.protocol.server import AgentNotification, AgentStatusUpdate, AgentTaskUpdate


@frozen
class Desk:
    """What is to be told goes to the `callbacks`; the client hears of everything."""

    callbacks: AgentCallbacks
    _reception: Reception
    _look_for_news: Callable[[], None]
    flags: dict[str, Any] = field(factory=dict)

    def bring(self, result: Result) -> bool:
        """A result waits to be told, and the client is notified; False when it says nothing."""
        callback = callback_of(result)
        if callback is None:
            return False
        # Who has one to tell looks for more by itself, and is not woken for each of a thousand.
        waits = self.callbacks.waits(callback.delivery)
        if self.callbacks.append(callback):
            told = AgentNotification(callback.text, callback.source, status_of(result))
            self._reception.outbox.mention(callback.id, told)
            if not waits:
                self._look_for_news()
        return True

    def show_task(self, task: dict[str, Any]) -> None:
        """How far a task is, for the client."""
        # N.E.K.O.'s agents call it `id`; those that go by its results, `task_id`.
        name = task.get("id") or task.get("task_id")
        self._reception.outbox.mention((AgentTaskUpdate, str(name)), AgentTaskUpdate(task))

    def show_agents(self, snapshot: dict[str, Any]) -> None:
        """How the agents are, for the client; their flags are known from now on."""
        flags = snapshot.get("flags")
        if isinstance(flags, dict):
            self.flags.update(flags)
        self._reception.outbox.mention(AgentStatusUpdate, AgentStatusUpdate(snapshot))
