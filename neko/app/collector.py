"""The garbage collector of a process that does nothing but serve."""

from __future__ import annotations

import gc

# A pause is as long as there are objects to look through, and is heard in every conversation. What a start or a swap
# makes lives on, so that looking seldom means looking through many: with six thousand at once a pause alone was longer
# than a swap may delay others by. What comes and goes with the sound needs no collector, and hardly counts. These
# numbers are as CPython reads them up to 3.13: so many more made than freed; then how often, before the next older.
YOUNG_OBJECTS = 500
YOUNG_ROUNDS = 1  # what two looks have left is looked through with the third
# And until all are, which takes longest: after some hundred starts. What sessions leave behind in cycles waits for it.
MIDDLE_ROUNDS = 400


def calm_collector() -> None:
    """What is there now will stay: it is not looked through any more, and the rest often and little at a time.

    For the whole process, so it is the command's to call, once everything is imported.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_ROUNDS, MIDDLE_ROUNDS)
