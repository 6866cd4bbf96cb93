"""Translations that are known: the ones asked for last."""

from __future__ import annotations

from collections import OrderedDict

from attrs import frozen

KEPT = 256  # texts of at most 5,000 characters: 10 MB with their translations if all were that long


@frozen
class Asked:
    """A text and the two languages, as tags of `tags.written`."""

    text: str
    spoken: str
    wanted: str


class Memory:
    """What was asked for least recently is forgotten first. Failures are not kept."""

    def __init__(self) -> None:
        self._known: OrderedDict[Asked, str] = OrderedDict()

    def get(self, asked: Asked) -> str | None:
        answer = self._known.get(asked)
        if answer is not None:
            self._known.move_to_end(asked)
        return answer

    def keep(self, asked: Asked, answer: str) -> None:
        self._known[asked] = answer
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
