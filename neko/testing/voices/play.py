"""A script, played to whoever asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import trio

from neko.testing.voices.script import Hear, Script, Step
from neko.testing.wire import Wire


async def said(script: Script, hear: Callable[[], Awaitable[None]], wire: Wire) -> AsyncIterator[str | bytes]:
    """What the server says, each piece in its time; misbehaves as the script has it, which may cancel the caller."""
    await trio.sleep(script.first_after_s)
    count = 0
    for step in _steps(script):
        if isinstance(step, Hear):
            await hear()
            continue
        if count:
            await trio.sleep(script.piece_after_s)
        await _misbehave(script, count, wire)
        yield step
        count += 1
    await _misbehave(script, count, wire)


def _steps(script: Script) -> Iterator[Step]:
    yield from script.steps
    while script.forever:
        yield script.steps[-1]


async def _misbehave(script: Script, count: int, wire: Wire) -> None:
    if script.cut_after == count:
        wire.cut()
        await trio.sleep_forever()
    if script.stall_after == count:
        await trio.sleep_forever()
