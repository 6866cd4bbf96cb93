"""What the next model session is told of the conversation before it."""

from __future__ import annotations

from neko.config.snapshot import Snapshot
from neko.conversation.history import History
from neko.conversation.recap import recap as condense
from neko.realtime.session import Line


def recap(snapshot: Snapshot, history: History) -> tuple[Line, ...]:
    """The character's examples, which show its manner, then this context: its beginning in one line, the rest whole."""
    character = snapshot.character
    manner = (
        line
        for example in character.examples
        for line in (Line("user", example.user), Line("assistant", example.character))
    )
    said = condense(history.context(), person=character.master_name, character=snapshot.name)
    earlier = [Line("system", said.earlier)] if said.earlier else []
    return (*manner, *earlier, *(Line(utterance.role.value, utterance.text) for utterance in said.verbatim))
