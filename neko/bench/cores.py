"""What the kernel knows of a process: its time on a core, its time in the queue for one, its memory. Linux only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator


@frozen
class CpuTime:
    """Seconds of all threads since their start, from `/proc/PID/task/*/schedstat` (proc(5) of Linux)."""

    ran: float
    waited: float  # ready to run, while somebody else was on the core

    def since(self, before: CpuTime) -> CpuTime:
        return CpuTime(self.ran - before.ran, self.waited - before.waited)


def cpu_time(pid: int) -> CpuTime:
    """Threads that ended meanwhile are not counted: none of the servers that are measured ends any."""
    ran, waited = map(sum, zip(*_threads(pid), strict=True))
    return CpuTime(ran / 1e9, waited / 1e9)


def _threads(pid: int) -> Iterator[tuple[int, int]]:
    for task in Path("/proc", str(pid), "task").iterdir():
        ran, waited, _ = (task / "schedstat").read_text().split()
        yield int(ran), int(waited)


def memory_kib(pid: int) -> int:
    """What this process alone has in memory: its private pages."""
    lines = Path("/proc", str(pid), "smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))
