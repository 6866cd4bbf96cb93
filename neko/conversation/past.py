"""What there is of a character when it moves in."""

from __future__ import annotations

from attrs import field, frozen

from neko.conversation.history import History
from neko.conversation.journal import ResultBrought


@frozen
class Past:
    """One character's, as its journal has it. Nothing of somebody new."""

    history: History = field(factory=History)
    results: tuple[ResultBrought, ...] = ()
    """Agents' results that still wait, oldest first; `history.journal` is where more of their life is entered."""
    settled: tuple[str, ...] = ()
    """Ids of those that were told or expired within the last hour: a second delivery is known by them."""
