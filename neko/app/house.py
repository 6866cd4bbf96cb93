"""Everything that runs, owned by one context: engines, characters, the door, and the drain."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import assert_never

import trio
from trio_websocket import WebSocketConnection

from neko.app.connect import Adapters
from neko.app.embedded import Broken, Embedded
from neko.app.engines import Progress
from neko.app.voices import require_voice, require_voices
from neko.app.warm import Warm
from neko.config.manager import REQUEST, ConfigManager
from neko.config.model import Provider, ProviderKind
from neko.conversation.history import History
from neko.local.engines import ChatMessage
from neko.local.server import serve_realtime
from neko.nurseries.manager import LLMSessionManager
from neko.nurseries.ports import Ports
from neko.nurseries.recap import recap
from neko.realtime.errors import NotReady
from neko.telemetry import get_logger
from neko.web.house import Health, HealthState
from neko.web.listener import open_listeners, serve_web

log = get_logger("house")

VOICE_THREADS = 40  # speeches at a time; trio's own limit for threads, kept apart so that they cannot use that up
DISMISS_WITHIN = 4.0  # seconds after the grace time: two for the sessions' goodbyes, two for the clients'
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # listened at, and how we reach ourselves


class House:
    """A running server; made by `open_house`."""

    def __init__(self, config: ConfigManager, url: str) -> None:
        self.config = config
        self.url = url
        self._drain_asked = trio.Event()
        voices = trio.CapacityLimiter(VOICE_THREADS)
        server = config.configuration.server
        self.embedded = Embedded(_local_provider(config), _first_prompt(config), voices)
        adapters = Adapters(
            embedded=self.embedded,
            voices=voices,
            local_url=f"{url.replace('http', 'ws', 1)}/v1/realtime",
            token=os.environ.get(server.auth_token_env) or None,
            environ=os.environ,
        )
        ports = Ports(adapters.connect, adapters.voice)
        self.managers = {name: LLMSessionManager(name, config, ports) for name in config.names}

    @property
    def uses_embedded(self) -> bool:
        """Some character talks to the embedded provider."""
        characters = self.config.configuration.characters.values()
        providers = self.config.configuration.providers
        return any(
            providers[name].kind is ProviderKind.LOCAL
            for character in characters
            for name in (character.provider, character.text_provider)
        )

    async def ready(self) -> None:
        """Returns when the engines that the characters use are warm. Raises `NotReady`, in one sentence."""
        if self.uses_embedded:
            await self.embedded.warm()

    def change(self, name: str, keys: Mapping[str, object]) -> None:
        """`ConfigManager.change`, which refuses a voice that does not exist as well."""
        require_voice(self.config.proposed(name, keys), lambda _key: REQUEST)
        self.config.change(name, keys)

    async def serve_local(self, websocket: WebSocketConnection) -> None:
        """The embedded provider, to one client that speaks the Realtime protocol."""
        try:
            warm = await self.embedded.warm()
        except NotReady as reason:
            await websocket.aclose(1013, reason.details[:100])
            return
        with warm.for_conversation() as mine:
            await serve_realtime(websocket, mine.engines)

    def health(self) -> Health:
        if not self.uses_embedded:
            return Health(self._state(HealthState.READY))
        match self.embedded.state:
            case None:
                return Health(self._state(HealthState.STARTING), {"embedded": "warming up"})
            case Warm():
                return Health(self._state(HealthState.READY), {"embedded": "warm"})
            case Broken(why):
                return Health(self._state(HealthState.READY), {"embedded": why})
            case _:
                assert_never(self.embedded.state)

    def drain(self) -> None:
        """Takes no more clients, lets them hear the sentence to its end, says goodbye; then `open_house` is left."""
        self._drain_asked.set()

    async def close_when_asked(self, grace_s: float, process: trio.CancelScope) -> None:
        """Waits for `drain`, drains, and cancels `process`."""
        await self._drain_asked.wait()
        log.info("house.draining", grace_s=grace_s)
        await _each_within(grace_s, [manager.drain for manager in self.managers.values()])
        await _each_within(DISMISS_WITHIN, [manager.dismiss for manager in self.managers.values()])
        process.cancel()

    def _state(self, otherwise: HealthState) -> HealthState:
        return HealthState.DRAINING if self._drain_asked.is_set() else otherwise


@asynccontextmanager
async def open_house(config: ConfigManager, *, host: str, port: int, on_progress: Progress) -> AsyncIterator[House]:
    """A server that listens when the context is entered; its engines warm up behind it.

    Leaving the context, or `House.drain` once it is done, ends everything. A cancel does so without goodbyes.

    Raises:
        ConfigError: a character's voice does not exist.
        CannotListen: the address is taken, forbidden, or not of this machine.
    """
    require_voices(config)
    listeners = await open_listeners(host, port)
    house = House(config, f"http://{ANYWHERE.get(host, host)}:{listeners[0].socket.getsockname()[1]}")
    async with trio.open_nursery() as process:
        if house.uses_embedded:
            process.start_soon(house.embedded.run, on_progress)
        for manager in house.managers.values():
            await process.start(manager.run)
        await process.start(serve_web, house, listeners)
        process.start_soon(house.close_when_asked, config.configuration.server.grace_s, process.cancel_scope)
        yield house
        process.cancel_scope.cancel()


async def _each_within(seconds: float, todo: list[Callable[[], Awaitable[None]]]) -> None:
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for each in todo:
                nursery.start_soon(each)


def _first_prompt(config: ConfigManager) -> list[ChatMessage]:
    """What the first character that talks to the embedded provider has to have read."""
    for name in config.names:
        snapshot = config.snapshot(name)
        if ProviderKind.LOCAL in {snapshot.provider.kind, snapshot.text_provider.kind}:
            lines = [ChatMessage(role=line.role, content=line.text) for line in recap(snapshot, History())]
            return [ChatMessage(role="system", content=snapshot.character.prompt), *lines]
    return []


def _local_provider(config: ConfigManager) -> Provider:
    return next(p for p in config.configuration.providers.values() if p.kind is ProviderKind.LOCAL)
