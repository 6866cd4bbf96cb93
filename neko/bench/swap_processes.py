"""The other processes of the swap benchmark: started, asked, and ended with the context that started them."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO

import trio

from neko.bench.errors import NothingMeasured
from neko.bench.pinned import pinned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

READY_WITHIN_S = 60.0  # a cold start of Python with everything that a peer imports, on a busy machine
_READY = re.compile(rb"ready: talk at (\S+)")


class Child:
    """A process that serves at `url`."""

    def __init__(self, name: str, process: trio.Process, log: BinaryIO) -> None:
        self._name = name
        self._process = process
        self._log = log
        self._rest = b""
        self.pid = process.pid
        self.url = ""

    async def ready(self) -> None:
        """Returns when the process has said where it listens. Raises `NothingMeasured` when it does not."""
        with trio.move_on_after(READY_WITHIN_S):
            while not self.url:
                if found := _READY.search(await self.line()):
                    self.url = found[1].decode()
        if not self.url:
            raise NothingMeasured(f"{self._name} was not ready within {READY_WITHIN_S:.0f} s")

    async def line(self) -> bytes:
        """The next line that it prints."""
        assert self._process.stdout is not None
        while b"\n" not in self._rest:
            data = await self._process.stdout.receive_some()
            if not data:
                raise NothingMeasured(f"{self._name} ended by itself: {self._last_words()}")
            self._rest += data
        line, self._rest = self._rest.split(b"\n", 1)
        return line

    @property
    def kept_waiting_s(self) -> float:
        """How long it could have run and others had its core, since it was started; 0 where nobody counts that."""
        try:
            # proc(5) of Linux: time on the processor, time waiting for it, in nanoseconds, and how often.
            return int(Path(f"/proc/{self._process.pid}/schedstat").read_text("ascii").split()[1]) / 1e9
        except OSError:
            return 0.0

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "without a word"

    def tell(self, line: str) -> None:
        """One line on its standard input. A pipe takes at least 4 KiB at once, and the process reads all the time."""
        assert isinstance(self._process.stdin, trio.lowlevel.FdStream)
        os.write(self._process.stdin.fileno(), line.encode() + b"\n")


@asynccontextmanager
async def child(name: str, command: Sequence[str], cores: Collection[int] = ()) -> AsyncIterator[Child]:
    """The running process, ready, on these cores alone if any are named.

    Leaving the context terminates it, and kills it when that does not help in 5 s.

    Raises:
        NothingMeasured: it did not come up.
    """
    # What it logs, a line for each swap, is read only when it ends by itself.
    with TemporaryFile() as log:
        run = partial(
            trio.run_process,
            pinned(command, cores),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            check=False,
        )
        async with trio.open_nursery() as nursery:
            process: trio.Process = await nursery.start(run)
            started = Child(name, process, log)
            await started.ready()
            yield started
            nursery.cancel_scope.cancel()
