"""The garbage collector of a process that does nothing but serve."""

from __future__ import annotations

import gc

# A pause is as long as there are objects to look through, a millisecond or two for a thousand, and is heard in every
# conversation: three times the young ones at most, which a swap may delay others by. What a start or a swap makes
# lives on, so that looking seldom means looking through many. What comes and goes with the sound needs no collector,
# and hardly counts.
YOUNG_OBJECTS = 500
YOUNG_ROUNDS = 1  # until those that outlived one are looked through again, together with as many new ones
# And until all are, which takes longest: after some hundred starts. What sessions leave behind in cycles waits for it.
MIDDLE_ROUNDS = 400


def calm_collector() -> None:
    """What is there now will stay: it is not looked through any more, and the rest often and little at a time.

    For the whole process, so it is the command's to call, once everything is imported.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_ROUNDS, MIDDLE_ROUNDS)
