"""What the next model session is told of the conversation before it."""

from __future__ import annotations

import time
from collections.abc import Iterable

from neko.config.snapshot import Snapshot
from neko.conversation.history import History, Utterance
from neko.conversation.recap import Recap
from neko.conversation.recap import recap as condense
from neko.conversation.recollection import asides, topic
from neko.realtime.session import Line


def recap(
    snapshot: Snapshot, history: History, before: int | None = None, recalled: Iterable[Utterance] = ()
) -> tuple[Line, ...]:
    """The character's examples, which show its manner, then this context: its beginning in one line, the rest whole,
    and what was `recalled` of it, most useful first, as far as there is room.

    `before` an utterance, by its number; None: all of them.
    """
    character = snapshot.character
    manner = (
        line
        for example in character.examples
        for line in (Line("user", example.user), Line("assistant", example.character))
    )
    said = _condensed(snapshot, history, before)
    names = {"person": character.master_name, "character": snapshot.name}
    earlier = [Line("system", said.earlier)] if said.earlier else []
    last = [Line("system", aside) for aside in asides(said, recalled, now=time.time(), **names)]
    return (*manner, *earlier, *map(line_of, said.verbatim), *last)


async def recall(snapshot: Snapshot, history: History, before: int) -> tuple[Utterance, ...]:
    """Of this context, what the recap does not tell word for word and has to do with the person's last words."""
    said = _condensed(snapshot, history, before)
    if not said.verbatim or said.verbatim[0].number == history.fresh_from:
        return ()
    first = said.verbatim[0].number
    return tuple(await history.journal.recall(topic(said.verbatim), since=history.fresh_from, before=first))


def _condensed(snapshot: Snapshot, history: History, before: int | None) -> Recap:
    context = [said for said in history.context() if before is None or said.number < before]
    return condense(context, person=snapshot.character.master_name, character=snapshot.name)


def line_of(utterance: Utterance) -> Line:
    """As the model wrote or heard it, its mood tag included."""
    tag = f"<{utterance.mood}> " if utterance.mood else ""
    return Line(utterance.role.value, f"{tag}{utterance.text}")
