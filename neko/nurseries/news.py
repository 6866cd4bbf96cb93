"""What the character has to say of its own accord, given to the model session that the person talks to: what agents
have brought, and a greeting after an absence."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from neko.conversation.absence import Absence
from neko.conversation.callbacks import AgentCallbacks
from neko.conversation.history import History, Role
from neko.conversation.results import note, tell_now
from neko.nurseries.slot import Slot
from neko.protocol.agents.reports import Delivery
from neko.realtime.session import Line, Tell

# Results that a model is told beside the conversation between two of its answers. An agent that brings more than people
# can listen to fills no context with them: what is not told so expires where it waits.
NOTES = 10


@frozen
class News:
    """Of one session."""

    _callbacks: AgentCallbacks
    _history: History
    _absence: Absence

    @property
    def wait(self) -> bool:
        """Somebody may be told something, now or later."""
        return len(self._callbacks) > 0 or self._absence.due

    @property
    def next_at(self) -> float:
        """When something can be tried again that came to nothing."""
        return self._callbacks.next_at

    def wait_for(self, slot: Slot) -> bool:
        """There is something to give this model session now."""
        return self._callbacks.news_wait or (self._callbacks.notes_wait and len(slot.noted) < NOTES)

    async def bring(self, slot: Slot, *, quiet: bool) -> None:
        """Gives it what it can be given; nobody speaks or waits for an answer. `quiet`: and nothing is heard.

        What is told at once is told one by one, each in a turn of its own. Raises `SessionLost`.
        """
        if not (slot.session.facts.takes_text or slot.wearing.turns == 0):
            return
        if quiet and self._absence.due:
            await slot.ask(Tell(self._absence.greeting(datetime.now().astimezone())))
            return
        await self._note(slot)
        news = self._callbacks.take() if quiet else None
        if news is not None:
            await slot.ask(Tell(tell_now(news), news))

    def move(self, old: Slot) -> None:
        """This session answers nothing more: what it was to tell with its next answer, the one in its place will."""
        self._callbacks.put_back(old.noted)
        old.noted = []

    async def _note(self, slot: Slot) -> None:
        notes = self._callbacks.take_notes(NOTES - len(slot.noted))
        if not notes:
            return
        known = [each for each in notes if each.delivery is Delivery.SILENT]
        # No checkpoint: what is only to be known is durable with the line of the history by which others know it.
        for each in known:
            self._history.add(Role.SYSTEM, note(each), by=slot.id)
        self._callbacks.told(known)
        self._callbacks.said(known)
        try:
            await slot.session.prime([Line("system", note(each)) for each in notes])
        except BaseException:
            self._callbacks.put_back(notes)
            raise
        # An answer that began before this tells nothing of it.
        slot.noted += notes
