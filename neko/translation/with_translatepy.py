"""The step `translatepy`: asks several public translation services in turn, each of which gets the text."""

from __future__ import annotations

from collections.abc import Callable

import trio

from neko.telemetry.metrics import Metrics
from neko.translation.step import NotInstalled

# Threads. A service that hangs keeps one until its request has timed out; when all are kept, the step is late.
AT_ONCE = 4


class Translatepy:
    """A `Translator`. The library blocks, so it runs in a thread, which nobody waits for after a cancel.

    What is left behind ends with its next request. Two calls share nothing but the library's cache of translations.
    `gateway`, for tests, is the `http://` address where its requests go.
    """

    def __init__(self, metrics: Metrics, gateway: str = "") -> None:
        self._abandoned = metrics.abandoned.labels("translatepy")
        self._gateway = gateway
        self._limiter = trio.CapacityLimiter(AT_ONCE)

    async def prepare(self) -> None:
        """Loads the library. Raises `NotInstalled`."""
        await trio.to_thread.run_sync(_load, abandon_on_cancel=True, limiter=self._limiter)

    async def __call__(self, text: str, spoken: str, wanted: str) -> str:
        at_work = False

        def work() -> str:
            nonlocal at_work
            at_work = True
            return _load()(text, spoken, wanted, self._gateway)

        try:
            return await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._limiter)
        except trio.Cancelled:
            if at_work:
                self._abandoned.inc()
            raise


def _load() -> Callable[[str, str, str, str], str]:
    try:
        from neko.translation.translatepy_call import translate
    except ImportError as error:
        raise NotInstalled("translatepy") from error
    return translate
