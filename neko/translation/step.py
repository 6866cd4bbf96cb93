"""One way to translate, and how it says that it cannot.

Others add theirs without a fork: an entry point in the group `neko.translators`, whose name is the step's in
`[translation] chain` and whose object is a `Translator`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.metadata import EntryPoint, entry_points

import trio
from attrs import define, field, frozen

GROUP = "neko.translators"

Translator = Callable[[str, str, str], Awaitable[str]]
"""A text, its language and the wanted one (tags as of `tags.written`: `de`, `zh-Hant`); the text in that language.

An async function under Trio that any number of tasks call at the same time. It is cancelled when its time is over;
whatever it raises means that it could not.
"""


@frozen
class Step:
    """`name` is what the chain, the log and the metrics call it."""

    name: str
    translate: Translator


class StepFailed(Exception):
    """There is no translation from this step. `str()` says why in one sentence, without the text."""


class NotInstalled(StepFailed):
    """Its library is not there, and will not be while this process lives."""

    def __init__(self, library: str) -> None:
        super().__init__(f"{library} is not installed: pip install 'neko[translate]'")


@define
class PluggedIn:
    """Somebody else's translator, loaded in a thread when it is first asked."""

    _entry: EntryPoint
    _translator: Translator | None = field(default=None, init=False)

    async def __call__(self, text: str, spoken: str, wanted: str) -> str:
        translator = self._translator
        if translator is None:
            translator = self._translator = await trio.to_thread.run_sync(self._load, abandon_on_cancel=True)
        return await translator(text, spoken, wanted)

    def _load(self) -> Translator:
        translator: Translator = self._entry.load()
        return translator


def plugged_in() -> dict[str, Translator]:
    """The translators of installed packages by name; none of them is loaded."""
    return {entry.name: PluggedIn(entry) for entry in entry_points(group=GROUP)}
