"""Runs a command on some cores alone: `python -m neko.bench.pinned 1,2 command …`. Without cores it may use all.

Its threads would be born elsewhere if it were moved later. Where a process cannot be pinned nothing is.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


@frozen
class Cores:
    """Empty: whichever there are."""

    server: frozenset[int] = frozenset()  # of the one that is measured
    load: frozenset[int] = frozenset()  # of what it is measured with: the client and the provider


def share_cores() -> Cores:
    """One for the server and the rest for the load, so that neither takes the other's time."""
    if sys.platform != "linux":
        return Cores()
    first, *rest = sorted(os.sched_getaffinity(0))
    return Cores(frozenset({first}), frozenset(rest)) if rest else Cores()


def pinned(command: Sequence[str], cores: Collection[int]) -> list[str]:
    """The command, kept to these cores."""
    if not cores:
        return list(command)
    return [sys.executable, "-m", __name__, ",".join(map(str, sorted(cores))), *command]


def pin_this_thread(cores: Collection[int]) -> None:
    """And whatever it starts from now on."""
    if sys.platform == "linux" and cores:
        os.sched_setaffinity(0, cores)


if __name__ == "__main__":
    _, among, *rest = sys.argv
    pin_this_thread({int(core) for core in among.split(",")})
    os.execvp(rest[0], rest)
