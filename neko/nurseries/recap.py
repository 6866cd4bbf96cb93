"""What the next model session is told of the conversation before it."""

from __future__ import annotations

from neko.config.snapshot import Snapshot
from neko.conversation.history import History
from neko.realtime.session import Line

TOLD = 40  # utterances; about 2,000 tokens, half of the smallest context that a model here has


def recap(snapshot: Snapshot, history: History) -> tuple[Line, ...]:
    """The character's examples, which show its manner, then the youngest utterances of this context, word for word."""
    manner = (
        line
        for example in snapshot.character.examples
        for line in (Line("user", example.user), Line("assistant", example.character))
    )
    return (*manner, *(Line(utterance.role.value, utterance.text) for utterance in history.context()[-TOLD:]))
