"""What the next model session is told of the conversation before it."""

from __future__ import annotations

from neko.config.snapshot import Snapshot
from neko.conversation.history import History, Utterance
from neko.conversation.recap import recap as condense
from neko.realtime.session import Line


def recap(snapshot: Snapshot, history: History, before: int | None = None) -> tuple[Line, ...]:
    """The character's examples, which show its manner, then this context: its beginning in one line, the rest whole.

    `before` an utterance, by its number; None: all of them.
    """
    context = [said for said in history.context() if before is None or said.number < before]
    character = snapshot.character
    manner = (
        line
        for example in character.examples
        for line in (Line("user", example.user), Line("assistant", example.character))
    )
    said = condense(context, person=character.master_name, character=snapshot.name)
    earlier = [Line("system", said.earlier)] if said.earlier else []
    return (*manner, *earlier, *map(line_of, said.verbatim))


def line_of(utterance: Utterance) -> Line:
    """As the model wrote or heard it, its mood tag included."""
    tag = f"<{utterance.mood}> " if utterance.mood else ""
    return Line(utterance.role.value, f"{tag}{utterance.text}")
