"""Instructions that tell what was said before, for vendors whose conversations cannot be given a past of their own."""

from __future__ import annotations

from collections.abc import Sequence

from neko.realtime.session import Line

SO_FAR = "The conversation until now, which you go on with:"


def with_lines(instructions: str, lines: Sequence[Line]) -> str:
    """The instructions alone when nothing was said; a line of the system's is nobody's, so it has no name before it."""
    if not lines:
        return instructions
    told = (line.text if line.role == "system" else f"{line.role}: {line.text}" for line in lines)
    return "\n".join([instructions, "", SO_FAR, *told])
