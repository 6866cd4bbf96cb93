"""What agents have brought for the person: each result is told once, however sessions come and go."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from attrs import field, frozen

KEPT = 100  # results that wait; the oldest makes room
REMEMBERED = 1_000  # results by which a second delivery is known for what it is; ten times what may wait


@frozen
class Callback:
    """One result. `key` tells two deliveries of the same one from two results; None: there is only this one."""

    text: str = field(repr=False)
    key: tuple[str, str] | None = None  # task and status


class AgentCallbacks:
    """One character's results, oldest first; iterable, what is being told included.

    A result waits until `take`, is being told until `told`, and waits again when the telling came to nothing.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callback] = deque()
        self._telling: list[Callback] = []
        self._known: deque[tuple[str, str]] = deque(maxlen=REMEMBERED)

    def __iter__(self) -> Iterator[Callback]:
        return iter((*self._telling, *self._waiting))

    def __len__(self) -> int:
        return len(self._telling) + len(self._waiting)

    @property
    def wait(self) -> bool:
        """There is something to tell."""
        return bool(self._waiting)

    def append(self, result: Callback | str) -> bool:
        """False when this result was brought before."""
        callback = Callback(result) if isinstance(result, str) else result
        if callback.key is not None:
            if callback.key in self._known:
                return False
            self._known.append(callback.key)
        if len(self._waiting) == KEPT:
            self._waiting.popleft()
        self._waiting.append(callback)
        return True

    def take(self) -> Callback:
        """The oldest that waits; there must be one. It is being told from now on."""
        callback = self._waiting.popleft()
        self._telling.append(callback)
        return callback

    def told(self, callbacks: Iterable[Callback | None]) -> None:
        """The person has begun to hear them."""
        heard = {id(each) for each in callbacks}
        self._telling = [each for each in self._telling if id(each) not in heard]

    def put_back(self, callbacks: Iterable[Callback]) -> None:
        """Those of them that are being told never will be: they wait again, before the rest."""
        untold = {id(each) for each in callbacks}
        again = [each for each in self._telling if id(each) in untold]
        self._telling = [each for each in self._telling if id(each) not in untold]
        self._waiting.extendleft(reversed(again))
