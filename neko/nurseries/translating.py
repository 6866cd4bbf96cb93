"""A session's replies on their way into the person's language, beside the conversation."""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import define, field

from neko.config.snapshot import Snapshot
from neko.nurseries.outbox import Outbox
from neko.nurseries.ports import Translate
from neko.nurseries.turn import Turn
from neko.protocol.server import Translation
from neko.translation.tags import canonical, differ

AT_ONCE = 3  # replies; of a fourth the person waits for the translation, and for that of the oldest no longer


@define(eq=False)
class Translating:
    """Each translation is a task of the session's nursery that nothing waits for, and ends with the session.

    The client gets one for each reply at most, whenever it is ready: before the turn end or after it.
    """

    _nursery: trio.Nursery
    _outbox: Outbox
    _translate: Translate | None
    _language: Callable[[], str | None]  # the person's, as far as it is known
    _under_way: dict[str, trio.CancelScope] = field(factory=dict, init=False)  # by turn, oldest first

    def expected(self, snapshot: Snapshot) -> bool:
        """The person reads another language than the character writes."""
        wanted = self._language()
        return self._translate is not None and wanted is not None and foreign(snapshot, wanted)

    def begin(self, turn: Turn) -> None:
        """The words of a reply are complete. One that was cut short or broken off is not translated."""
        translate, wanted, snapshot = self._translate, self._language(), turn.slot.plan.snapshot
        if translate is None or wanted is None or not foreign(snapshot, wanted):
            return
        if turn.ended or turn.broken_off or not turn.text.strip():
            return
        if len(self._under_way) >= AT_ONCE:
            self.give_up(next(iter(self._under_way)))
        scope = self._under_way[turn.id] = trio.CancelScope()
        self._nursery.start_soon(self._tell, translate, snapshot, turn, wanted, scope)

    def give_up(self, turn_id: str) -> None:
        """Nothing more is said of this turn."""
        scope = self._under_way.pop(turn_id, None)
        if scope is not None:
            scope.cancel()

    async def _tell(
        self, translate: Translate, snapshot: Snapshot, turn: Turn, wanted: str, scope: trio.CancelScope
    ) -> None:
        with scope:
            text = await translate(snapshot, turn.text, wanted)
            if text is not None:
                await self._outbox.send(Translation(text, wanted, turn.id))
        self._under_way.pop(turn.id, None)


def foreign(snapshot: Snapshot, wanted: str) -> bool:
    """The character's language is known, and is not that of the person (a canonical tag)."""
    spoken = canonical(snapshot.character.language)
    return spoken is not None and differ(spoken, wanted)
