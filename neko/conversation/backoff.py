"""How long to wait before another try: exponential back-off with full jitter, so that those who failed together do not
come back together.

Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from attrs import define, field


@define
class Backoff:
    """One series of tries. Each wait is drawn from 0 to a ceiling that doubles from `first_s` to `most_s`.

    `draw` is `random.uniform`, or in a test whatever draws from the same two bounds.
    """

    first_s: float
    most_s: float
    draw: Callable[[float, float], float] = random.uniform
    ceiling_s: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.ceiling_s = self.first_s

    def next_s(self, at_least_s: float | None = None) -> float:
        """Seconds until the next try; `at_least_s` is what the other side asked for, and comes on top."""
        wait_s = (at_least_s or 0.0) + self.draw(0.0, self.ceiling_s)
        self.ceiling_s = min(2 * self.ceiling_s, self.most_s)
        return wait_s

    def reset(self) -> None:
        """A try has succeeded."""
        self.ceiling_s = self.first_s
