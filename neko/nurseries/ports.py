"""What a conversation needs of the world; `neko.app` names the concrete adapters, tests name fakes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import trio
from attrs import field, frozen

from neko.config.snapshot import Snapshot
from neko.nurseries.lull import Lull
from neko.protocol.agents.events import AnalyzeRequest, SessionEvent
from neko.protocol.client import InputMode
from neko.realtime.errors import ProviderError
from neko.realtime.session import Line, ModelSession
from neko.telemetry.metrics import Metrics
from neko.tools.tool import NoTools, Tools
from neko.tts.signals import Response

Connect = Callable[[Snapshot, InputMode, Sequence[Line]], AbstractAsyncContextManager[ModelSession]]
"""A connected model session that was told these lines and is ready to answer at once; raises `ProviderError`."""

Resume = Callable[[Snapshot, InputMode, str], AbstractAsyncContextManager[ModelSession]]
"""As `Connect`, going on with the conversation of a lost session, by the handle that it gave."""

Speak = Callable[["trio.MemoryReceiveChannel[str]", "trio.MemorySendChannel[Response]"], Awaitable[None]]
"""Speaks phrases until their channel ends, as PCM16 mono at `Voice.hz`, each after its `Began`; closes both."""


@frozen
class Voice:
    """A voice of our own, for replies that come without sound."""

    hz: int
    speak: Speak


Translate = Callable[[Snapshot, str, str], Awaitable[str | None]]
"""What a character says, in another language (a canonical tag); None when nobody can. Takes its time, and raises only
bugs."""


Describe = Callable[[Snapshot, str], Awaitable[str]]
"""What a picture (a data: URL) shows, in words, by the snapshot's vision model. Raises `ProviderError`."""


Back = Callable[[Snapshot, InputMode, ProviderError], Awaitable[None]]
"""Returns when the snapshot's provider, which could not be had for this reason, answers again."""


async def never(_snapshot: Snapshot, _mode: InputMode, _why: ProviderError) -> None:
    """`Back`, of a provider that is not looked for."""
    await trio.sleep_forever()


PrepareTranslation = Callable[[], Awaitable[None]]
"""Loads what the first translation would load: code that keeps the event loop waiting for tens of milliseconds."""


class Agents(Protocol):
    """Programs beside this one that do things for the person."""

    def publish(self, event: SessionEvent) -> None:
        """Tells all of them what has happened. Never waits: who is slow misses it."""
        ...

    def analyze(self, request: AnalyzeRequest) -> None:
        """Asks one of them to see what is to be done. Never waits: whether one takes it shows later."""
        ...


class NoAgents:
    """Nobody is there: `Agents` for a house without any."""

    def publish(self, event: SessionEvent) -> None:
        pass

    def analyze(self, request: AnalyzeRequest) -> None:
        pass


@frozen
class Ports:
    connect: Connect
    voice: Callable[[Snapshot, InputMode], Voice | None]
    """None: the provider's own sound, or no sound at all."""
    translate: Translate | None = None
    prepare_translation: PrepareTranslation = trio.lowlevel.checkpoint
    describe: Describe | None = None
    back: Back = never
    resume: Resume | None = None
    tools: Tools = field(factory=NoTools)
    metrics: Metrics = field(factory=Metrics)
    agents: Agents = field(factory=NoAgents)
    starts: Lull = field(factory=Lull)
    """Sessions that somebody waits for, of all characters."""
