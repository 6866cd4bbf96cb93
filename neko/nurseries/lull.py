"""What can wait lets what cannot go first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio


class Lull:
    """Counts those who are in a hurry; whoever is not can wait until there are none."""

    def __init__(self) -> None:
        self._hurrying = 0
        self._none = trio.Event()
        self._none.set()

    @contextmanager
    def hurry(self) -> Iterator[None]:
        if not self._hurrying:
            self._none = trio.Event()
        self._hurrying += 1
        try:
            yield
        finally:
            self._hurrying -= 1
            if not self._hurrying:
                self._none.set()

    async def wait(self) -> None:
        """Returns when nobody is in a hurry."""
        while self._hurrying:  # the next hurry may have begun before this has run
            await self._none.wait()
