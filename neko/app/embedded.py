"""The embedded provider's engines, from cold to warm, and again when their process dies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import trio
from attrs import frozen

from neko.app.engines import Progress, open_engines
from neko.app.warm import Warm
from neko.config.model import Provider
from neko.local.engines import ChatMessage
from neko.local.errors import LocalError
from neko.realtime.errors import NotReady
from neko.telemetry import get_logger
from neko.tts.errors import VoiceError

log = get_logger("embedded")


@frozen
class Broken:
    """They cannot be had; `why` says what to do."""

    why: str


class Embedded:
    """The engines of one process. `run` owns them; everybody else asks `warm`."""

    def __init__(self, provider: Provider, prompt: Sequence[ChatMessage], voices: trio.CapacityLimiter) -> None:
        self._provider = provider
        self._prompt = prompt
        self._voices = voices
        self._state: Warm | Broken | None = None
        self._known = trio.Event()

    @property
    def state(self) -> Warm | Broken | None:
        """None while they are warming up."""
        return self._state

    async def warm(self) -> Warm:
        """The engines as soon as they are warm. Raises `NotReady` when they cannot be had."""
        await self._known.wait()
        match self._state:
            case Warm() as warm_engines:
                return warm_engines
            case Broken(why):
                raise NotReady(why)
            case None:
                raise NotReady("the embedded model is being started again; try again in a moment")

    async def run(self, on_progress: Progress) -> None:
        """Keeps the engines running until cancelled; gives up on engines that never came up."""
        while True:
            try:
                async with open_engines(self._provider, self._prompt, self._voices, on_progress) as engines:
                    self._state = engines
                    self._known.set()
                    log.info("engines.warm")
                    await trio.sleep_forever()
            except* Exception as group:  # native engines raise what they like; the house stands without them
                why = "; ".join(str(error) for error in _leaves(group))
                log.error("engines.failed", details=why, exc_info=not _is_known(group))
                self._state = None if isinstance(self._state, Warm) else Broken(why)
            if isinstance(self._state, Broken):
                self._known.set()
                return


def _is_known(group: BaseExceptionGroup[Any]) -> bool:
    return all(isinstance(error, LocalError | VoiceError) for error in _leaves(group))


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
