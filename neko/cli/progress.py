"""Long work of the first start: bars on a terminal, log events anywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from neko.telemetry import get_logger

if TYPE_CHECKING:
    from types import TracebackType

log = get_logger("cli")

COLUMNS = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
LONG = 200_000_000  # bytes; every start hashes the 75 MB of the recognition, in 0.1 s, which is worth no line


class ProgressBars:
    """One bar per name on stderr; visible while something is under way, gone when all is done."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(*COLUMNS, console=self._console, transient=True)
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._hide()

    def __call__(self, name: str, done: int, total: int) -> None:
        """`done` of `total` units of the work `name`; from any thread, one at a time for each name."""
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(f"preparing {name}", total=total)
            self._show(name, total)
        self._progress.update(self._bars[name], completed=done, total=total)
        if self._progress.finished:
            self._hide()

    def _show(self, name: str, total: int) -> None:
        if self._console.is_terminal:
            self._progress.start()
        elif total >= LONG:
            log.info("preparing", what=name)

    def _hide(self) -> None:
        # Where it was never shown, rich would still end it with an empty line.
        if self._console.is_terminal:
            self._progress.stop()
