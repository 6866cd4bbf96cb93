"""Long work of the first start, as bars on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from types import TracebackType


class ProgressBars:
    """One bar per name; visible while something is under way, gone when all is done. Call it from any thread."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, name: str, done: int, total: int) -> None:
        """`done` of `total` units of the work `name`."""
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(name, total=total)
            self._progress.start()
        self._progress.update(self._bars[name], completed=done, total=total)
        if self._progress.finished:
            self._progress.stop()
