"""The garbage collector of a process that does nothing but serve."""

from __future__ import annotations

import gc

# Trio's tasks and exceptions leave few cycles, and each frame of a microphone makes some thirty objects: with Python's
# own 700 the youngest generation was looked through 200 times a second at 50 sessions, and a pause of the oldest one,
# which grows with all that lives, was heard in every conversation.
YOUNG_OBJECTS = 20_000
YOUNG_ROUNDS, MIDDLE_ROUNDS = 20, 50


def calm_collector() -> None:
    """What is there now will stay: it is not looked through any more, and the rest seldom.

    For the whole process, so it is the command's to call, once everything is imported.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_ROUNDS, MIDDLE_ROUNDS)
