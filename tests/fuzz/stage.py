"""A Trio run that stands still between steps: plain code asks for one step after the other, time passes only on demand.

Trio runs in a thread of its own and blocks it while it waits for the next step, so that nothing happens meanwhile. The
order of tasks is drawn from Trio's own random numbers, which `Stage` seeds: a script and a seed give one run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

import outcome
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

T = TypeVar("T")
Step = Callable[[T], Awaitable[None]]

INSTANT_S = 1e-9  # a sum of floats may end just before the deadline that it was to reach


class Stage(Generic[T]):
    """`enter` makes the world in which the steps happen. After a step that raised nothing more can be done."""

    def __init__(self, enter: Callable[[], AbstractAsyncContextManager[T]], seed: int) -> None:
        self.failed = False
        self._enter = enter
        self._steps: SimpleQueue[Step[T] | None] = SimpleQueue()
        self._results: SimpleQueue[BaseException | None] = SimpleQueue()
        self._thread = Thread(target=self._run, args=(seed,), daemon=True)
        self._thread.start()
        self._outcome()

    def do(self, step: Step[T]) -> None:
        """Has a step done. Raises what it, or anything else in the world, raised."""
        self._steps.put(step)
        self._outcome()

    def close(self) -> None:
        """Leaves the world; may be called more than once."""
        if self._thread.is_alive():
            self._steps.put(None)
            self._outcome()
        self._thread.join()

    def _outcome(self) -> None:
        error = self._results.get()
        if error is not None:
            self.failed = True
            self._thread.join()
            raise error

    def _run(self, seed: int) -> None:
        # Trio offers no public way to the order of its tasks. That it can be drawn at all is pytest-trio's doing.
        trio._core._run._r.seed(seed)
        result = outcome.capture(partial(trio.run, self._play, clock=MockClock()))
        self._results.put(_only(result.error) if isinstance(result, outcome.Error) else None)

    async def _play(self) -> None:
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, MockClock)
        async with self._enter() as world:
            self._results.put(None)
            try:
                while (step := self._steps.get()) is not None:
                    await step(world)
                    self._results.put(None)
            finally:
                # Goodbyes have deadlines, and nobody is left to let time pass.
                clock.autojump_threshold = 0


def _only(error: BaseException) -> BaseException:
    """What went wrong, without the nurseries around it; for a shrinker these are the same."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


async def pass_time(seconds: float) -> None:
    """From deadline to deadline, each with all that follows from it."""
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, MockClock)
    until = trio.current_time() + seconds
    while True:
        await wait_all_tasks_blocked()
        left, due = until - trio.current_time(), trio.lowlevel.current_statistics().seconds_to_next_deadline
        if left <= 0:
            return
        clock.jump(max(min(left, due), INSTANT_S))


async def let_run(turns: int | None) -> None:
    """So many rounds of the scheduler; None: until everybody waits."""
    if turns is None:
        await wait_all_tasks_blocked()
    else:
        for _ in range(turns):
            await trio.lowlevel.checkpoint()


@asynccontextmanager
async def cancelled_at_the_end() -> AsyncIterator[trio.Nursery]:
    """A nursery whose tasks end when the context is left."""
    async with trio.open_nursery() as nursery:
        yield nursery
        nursery.cancel_scope.cancel()
