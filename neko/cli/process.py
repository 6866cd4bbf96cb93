"""The process of a command: its Trio loop, and what Ctrl-C and SIGTERM do to it."""

from __future__ import annotations

import gc
import signal
from functools import partial
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple, Unpack

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

Result = TypeVar("Result")
Args = TypeVarTuple("Args")

STOPPING = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):
    """Ctrl-C or SIGTERM came before the command was done."""

    def __init__(self) -> None:
        super().__init__("stopped before it was done")


def keep_what_is_there() -> None:
    """For before a server opens: all that was imported stays, so that no later collection looks through it again. Each
    would hold up every sound for 35 ms (November 2026)."""
    gc.collect()
    gc.freeze()


def run_until_stopped(work: Callable[[Unpack[Args]], Awaitable[Result]], *args: *Args) -> Result:
    """Runs `work` on a Trio loop to its end. Raises `Stopped` when a signal has cancelled it before."""
    return trio.run(partial(_until_stopped, work, *args))


async def _until_stopped(work: Callable[[Unpack[Args]], Awaitable[Result]], *args: *Args) -> Result:
    with trio.open_signal_receiver(*STOPPING) as signals:
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:
                nursery.start_soon(_cancel_at_signal, signals, scope)
                result = await work(*args)
            nursery.cancel_scope.cancel()
    if scope.cancelled_caught:
        raise Stopped
    return result


async def _cancel_at_signal(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    await anext(signals)
    scope.cancel()
