"""How long to wait before each attempt to come back."""

from __future__ import annotations

import random
from collections.abc import Iterator

FIRST_S = 0.5
LONGEST_S = 15.0  # half of what a session waits for its client


def delays(draw: random.Random | None = None) -> Iterator[float]:
    """Seconds before the first attempt, the second, and so on without an end.

    Exponential with full jitter, so that the clients of a server that restarts do not come all at once: M. Brooker,
    "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    draw = draw or random.Random()
    most = FIRST_S
    while True:
        yield draw.uniform(0, most)
        most = min(LONGEST_S, most * 2)
