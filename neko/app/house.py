"""Everything that runs, owned by one context: engines, characters, the door, and the drain."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from functools import partial
from typing import assert_never

import trio

from neko.app.agents import AgentsHere, open_agents
from neko.app.circuits import Circuits
from neko.app.connect import Adapters
from neko.app.embedded import Broken, Embedded
from neko.app.engines import Progress
from neko.app.residents import Residents
from neko.app.translators import Translators
from neko.app.voices import require_voice, require_voices, require_voices_of
from neko.app.voicing import Voicing, dial_for
from neko.app.warm import Warm
from neko.app.watching import Source, watch_configuration
from neko.config.manager import REQUEST, ConfigManager
from neko.config.model import Configuration, ProviderKind
from neko.local.server import serve_realtime
from neko.memory import Memory, open_memory
from neko.nurseries.manager import LLMSessionManager
from neko.nurseries.ports import Ports
from neko.realtime.errors import NotReady
from neko.realtime.trust import for_http
from neko.sockets import Socket
from neko.telemetry import get_logger
from neko.telemetry.metrics import Metrics
from neko.tools import Toolbox
from neko.tts.lines import Lines, open_lines
from neko.web.house import Health, HealthState
from neko.web.listener import open_listeners, serve_web

log = get_logger("house")

VOICE_THREADS = 40  # speeches at a time; trio's own limit for threads, kept apart so that they cannot use that up
DISMISS_WITHIN = 4.0  # seconds after the grace time: two for the sessions' goodbyes, two for the clients'
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # listened at, and how we reach ourselves


class House:
    """A running server; made by `open_house`."""

    def __init__(
        self,
        config: ConfigManager,
        url: str,
        memory: Memory,
        metrics: Metrics,
        agents: AgentsHere,
        lines: Lines,
    ) -> None:
        self.config = config
        self.memory = memory
        memory.call_in_trouble(self._tell_trouble)
        self.url = url
        self.agents = agents
        self._drain_asked = trio.Event()
        voices = trio.CapacityLimiter(VOICE_THREADS)
        self.embedded = Embedded(config, voices)
        voicing = Voicing(self.embedded, voices, lines, os.environ)
        adapters = _adapters(config, url, self.embedded, voicing, Circuits(metrics))
        self.metrics = metrics
        self.tools = Toolbox(os.environ, metrics, self._tools_changed)
        self.translators = Translators(config, adapters.asides, metrics)
        ports = Ports(
            adapters.connect,
            adapters.voice,
            translate=self.translators.translate,
            prepare_translation=self.translators.prepare,
            describe=adapters.describe,
            back=adapters.back,
            resume=adapters.resume,
            tools=self.tools,
            metrics=metrics,
            agents=agents.port,
        )
        self.residents = Residents(config, ports, memory)
        self._waits_for_engines = self.uses_embedded  # nobody waits for those of a provider that only stands in

    @property
    def managers(self) -> dict[str, LLMSessionManager]:
        return self.residents.managers

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
        """Returns when the engines that the characters use are warm, and it has been seen whether their tools work.

        Raises `NotReady`, in one sentence.
        """
        if self.uses_embedded:
            await self.embedded.warm()
        await self.tools.ready()

    def change(self, name: str, keys: Mapping[str, object]) -> None:
        """`ConfigManager.change`, which refuses a voice that does not exist as well."""
        require_voice(self.config.proposed(name, keys), lambda _key: REQUEST)
        with self._telling(name):
            self.config.change(name, keys)

    def drop_overrides(self, name: str) -> None:
        """`ConfigManager.drop_overrides`, which refuses a voice that does not exist as well."""
        require_voice(self.config.said_by_file(name), lambda _key: self.config.source)
        with self._telling(name):
            self.config.drop_overrides(name)

    def adopt(self, read: Configuration, source: str, process: trio.Nursery) -> None:
        """What a re-read file says is in force, all of it or nothing; who moves in or out lives in `process`.

        Raises:
            ConfigError: an override does not fit it, or a voice does not exist.
        """
        require_voices_of(read, source, self.config)
        change = self.config.replace(read, source)
        self.residents.follow(change, process)
        self.want_what_is_used()
        who = {key: sorted(getattr(change, key)) for key in ("touched", "added", "removed")}
        log.info("config.read", file=source, **who)
        restart = [*change.restart, *(["providers.local"] if self.embedded.outdated else [])]
        if restart:
            log.warning("config.needs_restart", file=source, sections=restart)

    async def serve_local(self, websocket: Socket) -> None:
        """The embedded provider, to one client that speaks the Realtime protocol."""
        try:
            warm = await self.embedded.warm()
        except NotReady as reason:
            await websocket.aclose(1013, reason.details[:100])
            return
        with warm.for_conversation() as mine:
            await serve_realtime(websocket, mine.engines)

    def _tell_trouble(self) -> None:
        for manager in self.managers.values():
            manager.tell_trouble()

    def health(self) -> Health:
        state, embedded = self._engines()
        why_not = self.memory.trouble or self.memory.elsewhere
        memory = {"memory": f"nothing is kept: {why_not}"} if why_not else {}
        return Health(self._state(state), embedded | self.agents.health() | memory)

    def _engines(self) -> tuple[HealthState, dict[str, str]]:
        if not self.uses_embedded:
            return HealthState.READY, {}
        match self.embedded.state:
            case None:
                # A house that serves others already is not taken out of service for one that joins them.
                state = HealthState.STARTING if self._waits_for_engines else HealthState.READY
                return state, {"embedded": "warming up"}
            case Warm():
                return HealthState.READY, {"embedded": "warm"}
            case Broken(why):
                return HealthState.READY, {"embedded": why}
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

    @contextmanager
    def _telling(self, name: str) -> Iterator[None]:
        """A character that goes on with another snapshot is told."""
        before = self.config.snapshot(name)
        yield
        if self.config.snapshot(name) != before:
            self.managers[name].config_changed()
        self.want_what_is_used()

    def want_what_is_used(self) -> None:
        """The embedded engines and the tools are started when some character needs them, or may."""
        providers = self.config.configuration.providers
        stand_ins = {each.fallback for each in self.config.configuration.characters.values() if each.fallback}
        if self.uses_embedded or any(providers[name].kind is ProviderKind.LOCAL for name in stand_ins):
            self.embedded.want()
        self.tools.follow(self.config.configuration)

    def _tools_changed(self) -> None:
        """A server has other tools than before, or is there at last: a character sees whether that is its concern."""
        for manager in self.managers.values():
            manager.config_changed()

    def _state(self, otherwise: HealthState) -> HealthState:
        return HealthState.DRAINING if self._drain_asked.is_set() else otherwise


def _adapters(config: ConfigManager, url: str, embedded: Embedded, voicing: Voicing, circuits: Circuits) -> Adapters:
    return Adapters(
        embedded=embedded,
        voicing=voicing,
        local_url=f"{url.replace('http', 'ws', 1)}/v1/realtime",
        token=os.environ.get(config.configuration.server.auth_token_env) or None,
        environ=os.environ,
        circuits=circuits,
    )


@asynccontextmanager
async def open_house(
    config: ConfigManager,
    *,
    host: str,
    port: int,
    on_progress: Progress,
    source: Source | None = None,
    agents: bool = False,
    alone: bool = True,
) -> AsyncIterator[House]:
    """A server that listens when the context is entered; its engines warm up behind it. It follows what `source` says.

    `agents`: it also listens for agents, as `[agents]` says; a house that lives as long as a command has no use for
    them. Not `alone`: where another house keeps its conversations in the same folder, this one keeps none. Leaving the
    context, or `House.drain` once it is done, ends everything. A cancel does so without goodbyes.

    Raises:
        ConfigError: a character's voice does not exist, or its conversations cannot be kept where they should.
        CannotListen: the address is taken, forbidden, or not of this machine.
        CannotBind: the same of an address of `[agents]`, unless it is the default and taken.
    """
    require_voices(config)
    metrics = Metrics()
    listeners = await open_listeners(host, port)
    url = f"http://{ANYWHERE.get(host, host)}:{listeners[0].socket.getsockname()[1]}"
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_closing(listeners))
        here = stack.enter_context(open_agents(config.configuration.agents if agents else None, metrics))
        memory = await stack.enter_async_context(open_memory(config.store.folder, metrics, alone=alone))
        lines = await stack.enter_async_context(open_lines(dial_for, await for_http("https:")))
        house = House(config, url, memory, metrics, here, lines)
        await stack.enter_async_context(aclosing(house.translators))
        await stack.enter_async_context(_open(house, listeners, on_progress, source))
        yield house


@asynccontextmanager
async def _open(
    house: House, listeners: list[trio.SocketListener], on_progress: Progress, source: Source | None
) -> AsyncIterator[None]:
    async with trio.open_nursery() as process:
        house.want_what_is_used()
        await process.start(house.tools.run)
        process.start_soon(house.embedded.run, on_progress)
        await house.residents.move_in(process)
        if source is not None:
            process.start_soon(watch_configuration, source, partial(house.adopt, process=process))
        await process.start(serve_web, house, listeners)
        process.start_soon(house.agents.run, lambda: house.managers)
        process.start_soon(house.close_when_asked, house.config.configuration.server.grace_s, process.cancel_scope)
        yield
        process.cancel_scope.cancel()


@asynccontextmanager
async def _closing(listeners: Sequence[trio.SocketListener]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for listener in listeners:
            await listener.aclose()


async def _each_within(seconds: float, todo: list[Callable[[], Awaitable[None]]]) -> None:
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for each in todo:
                nursery.start_soon(each)
