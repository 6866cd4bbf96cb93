"""What the person types, line by line."""

from __future__ import annotations

import codecs
import os
import sys
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

READ_SIZE = 64 * 1024  # bytes; a terminal gives a line at a time, a pipe as much as it has


async def typed_lines() -> AsyncIterator[str]:
    """The lines of stdin that hold something, stripped; ends with stdin. The iteration must be the only reader."""
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    rest = ""
    while piece := await _read():
        *lines, rest = (rest + decode(piece)).split("\n")
        for line in lines:
            if line.strip():
                yield line.strip()
    if rest.strip():
        yield rest.strip()


async def _read() -> bytes:
    # Not sys.stdin: a thread that is left inside its buffer holds a lock that the interpreter wants at its exit.
    # Abandoned on cancel, because nothing but the person can end a read from a terminal, and nobody else reads it.
    return await trio.to_thread.run_sync(os.read, sys.stdin.fileno(), READ_SIZE, abandon_on_cancel=True)
