"""The embedded provider's engines, from cold to warm, and again when their process dies."""

from __future__ import annotations

from typing import Any

import trio
from attrs import frozen

from neko.app.engines import Progress, open_engines
from neko.app.warm import Warm
from neko.config.manager import ConfigManager
from neko.config.model import Provider, ProviderKind
from neko.conversation.history import History
from neko.local.engines import ChatMessage
from neko.local.errors import LocalError
from neko.nurseries.recap import recap
from neko.realtime.errors import NotReady
from neko.telemetry import get_logger
from neko.tts.errors import VoiceError

log = get_logger("embedded")


@frozen
class Broken:
    """They cannot be had; `why` says what to do."""

    why: str


class Embedded:
    """The engines of one process, as the configuration wants them when they are started.

    `run` owns them; everybody else asks `warm`.
    """

    def __init__(self, config: ConfigManager, voices: trio.CapacityLimiter) -> None:
        self._config = config
        self._voices = voices
        self._state: Warm | Broken | None = None
        self._made_of: Provider | None = None
        self._wanted = trio.Event()
        self._known = trio.Event()

    @property
    def state(self) -> Warm | Broken | None:
        """None while they are warming up."""
        return self._state

    @property
    def outdated(self) -> bool:
        """They are warm, and the configuration wants others by now."""
        return isinstance(self._state, Warm) and self._made_of != _provider(self._config)

    def want(self) -> None:
        """They are started, or tried once more when the configuration has changed since they could not be had."""
        if isinstance(self._state, Broken) and self._made_of != _provider(self._config):
            self._state, self._known = None, trio.Event()
        if not isinstance(self._state, Broken):
            self._wanted.set()

    async def warm(self) -> Warm:
        """The engines as soon as they are warm. Raises `NotReady` when they cannot be had."""
        self.want()
        await self._known.wait()
        match self._state:
            case Warm() as warm_engines:
                return warm_engines
            case Broken(why):
                raise NotReady(why)
            case None:
                raise NotReady("the embedded model is being started again; try again in a moment")

    async def run(self, on_progress: Progress) -> None:
        """Keeps the engines running once they are wanted, until cancelled; gives up on those that never came up."""
        while True:
            await self._wanted.wait()
            self._made_of = _provider(self._config)
            try:
                async with open_engines(
                    self._made_of, _first_prompt(self._config), self._voices, on_progress
                ) as engines:
                    self._state = engines
                    self._known.set()
                    log.info("engines.warm")
                    await trio.sleep_forever()
            except* Exception as group:  # native engines raise what they like; the house stands without them
                why = "; ".join(str(error) for error in _leaves(group))
                log.error("engines.failed", details=why, exc_info=not _is_known(group))
                self._state = None if isinstance(self._state, Warm) else Broken(why)
            if isinstance(self._state, Broken):
                self._wanted = trio.Event()
                self._known.set()


def _provider(config: ConfigManager) -> Provider:
    return next(p for p in config.configuration.providers.values() if p.kind is ProviderKind.LOCAL)


def _first_prompt(config: ConfigManager) -> list[ChatMessage]:
    """What the first character that talks to the embedded provider has to have read."""
    for name in config.names:
        snapshot = config.snapshot(name)
        if ProviderKind.LOCAL in {snapshot.provider.kind, snapshot.text_provider.kind}:
            lines = [ChatMessage(role=line.role, content=line.text) for line in recap(snapshot, History())]
            return [ChatMessage(role="system", content=snapshot.character.prompt), *lines]
    return []


def _is_known(group: BaseExceptionGroup[Any]) -> bool:
    return all(isinstance(error, LocalError | VoiceError) for error in _leaves(group))


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
