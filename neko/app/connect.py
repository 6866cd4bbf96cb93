"""From a snapshot to a connected model session, and to the voice that speaks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any

import trio
from attrs import evolve, field, frozen

from neko.app.asides import Asides
from neko.app.circuits import Circuits, Remembered
from neko.app.dialects import Reached, reach
from neko.app.embedded import Embedded
from neko.app.handshake import shake_hands
from neko.app.voicing import Voicing
from neko.app.warm import Warm
from neko.audio.noise import can_suppress
from neko.config.errors import ConfigError
from neko.config.model import Provider, ProviderKind
from neko.config.snapshot import NATIVE, Snapshot
from neko.conversation.backoff import Backoff
from neko.conversation.tokens import tokens
from neko.local.engines import ChatMessage
from neko.local.errors import LocalError
from neko.local.items import PROMPT_TOKENS, message_tokens
from neko.local.warmth import WARM_WITHIN
from neko.nurseries.ports import Voice
from neko.protocol.client import InputMode
from neko.realtime.asking import WithTools
from neko.realtime.chat import ChatEndpoint, open_chat
from neko.realtime.circuit import FIRST_S, MOST_S
from neko.realtime.describe import describe
from neko.realtime.dialects.base import Setup
from neko.realtime.dialects.openai import OpenAiDialect
from neko.realtime.errors import KeyMissing, Misconfigured, NotReady, ProviderError, VoiceUnavailable
from neko.realtime.omni_offline import ANSWER_TOKENS, CONTEXT_TOKENS, open_offline
from neko.realtime.omni_realtime import open_realtime
from neko.realtime.session import Line, ModelSession
from neko.telemetry import get_logger
from neko.tts.errors import VoiceError

NO_SUPPRESSION = (
    "noise_suppression needs webrtc-noise-gain, which is not installed: "
    "pip install 'neko[conditioning]', or set it to 0"
)
log = get_logger("connect")

HANDSHAKE_WITHIN = 10.0  # seconds, of a provider that is looked for while another one stands in
LOCAL_MODEL = "local"
# It runs for ever. A laptop that is busy is slow, not dead, and its engines have deadlines of their own.
EMBEDDED_FACTS: dict[str, Any] = {"max_session_s": None, "sees": False, "watched": False}


@frozen
class Adapters:
    """Every way to reach a model or a voice that this house has."""

    embedded: Embedded
    voicing: Voicing
    local_url: str  # the embedded provider's own WebSocket
    token: str | None  # that our own door asks for
    environ: Mapping[str, str] = field(repr=False)
    circuits: Circuits
    asides: Asides = field(init=False)

    @asides.default
    def _asides(self) -> Asides:
        return Asides(self.embedded, self._endpoint)

    @asynccontextmanager
    async def connect(self, snapshot: Snapshot, mode: InputMode, lines: Sequence[Line]) -> AsyncIterator[ModelSession]:
        """A session as the snapshot wants it; closed when the context is left. Raises `ProviderError`."""
        if snapshot.session.noise_suppression and not can_suppress():
            raise NotReady(NO_SUPPRESSION)
        self.voice(snapshot, mode)  # a voice that cannot be had is known before anybody listens
        name, provider = _asked_of(snapshot, mode)
        async with AsyncExitStack() as stack:
            match provider.kind:
                case ProviderKind.LOCAL:
                    session: ModelSession = await stack.enter_async_context(self._local(snapshot, mode, lines))
                case ProviderKind.CHAT:
                    session = await stack.enter_async_context(self._chat(snapshot, lines))
                case _:  # all others are among the `VENDORS`
                    with self.circuits.asking(name, provider):
                        reached = reach(provider, speaks=snapshot.character.tts == NATIVE)
                        opened = _realtime(snapshot, lines, reached, self._key(provider))
                        session = await stack.enter_async_context(opened)
            yield session

    @asynccontextmanager
    async def resume(self, snapshot: Snapshot, mode: InputMode, handle: str) -> AsyncIterator[ModelSession]:
        """A session that goes on with a lost one's conversation. Raises `ProviderError`, and nobody holds it against
        the provider: a handle is good for some time only, and for one socket."""
        _, provider = _asked_of(snapshot, mode)
        reached = reach(provider, speaks=snapshot.character.tts == NATIVE)
        async with _realtime(snapshot, (), reached, self._key(provider), handle) as session:
            yield session

    async def back(self, snapshot: Snapshot, mode: InputMode, why: ProviderError) -> None:
        """Returns when the snapshot's provider, which could not be had for this reason, answers again."""
        name, provider = _asked_of(snapshot, mode)
        if why.lasting:
            self.circuits.failed(name, provider, why)  # it may have come to light in the middle of a session
        # The back-off keeps the characters apart; the circuit keeps all of them from a provider that fails.
        backoff = Backoff(FIRST_S, MOST_S)
        while True:
            at = self.circuits.of(name, provider).next_probe(trio.current_time())
            await trio.sleep_until(at + backoff.next_s())
            try:
                with self.circuits.asking(name, provider), trio.fail_after(HANDSHAKE_WITHIN):
                    await shake_hands(provider, self.environ)
            except (ProviderError, ConfigError, LocalError, trio.TooSlowError) as error:
                log.info("provider.away", provider=name, details=str(error))
            else:
                return

    def voice(self, snapshot: Snapshot, mode: InputMode) -> Voice | None:
        """Our own voice for replies that come as words; None where the provider speaks, or nobody can.

        Raises:
            VoiceUnavailable: no such voice.
            KeyRejected: its key is not there.
        """
        with _as_provider_error():
            return self.voicing.voice(snapshot, mode)

    @asynccontextmanager
    async def _local(self, snapshot: Snapshot, mode: InputMode, lines: Sequence[Line]) -> AsyncIterator[ModelSession]:
        warm = await self.embedded.warm()
        if snapshot.tools:
            log.info("tools.not_used", character=snapshot.name, details="the embedded model is too small for tools")
            snapshot = evolve(snapshot, tools=())
        if snapshot.character.tts == NATIVE:
            with _as_provider_error():
                warm.voice.open_voice(snapshot.character.voice)
        if mode is InputMode.TEXT:
            with warm.for_conversation() as mine:
                await _read(mine, snapshot, lines)
                prompt = snapshot.character.prompt
                async with open_offline(mine.chat, prompt, lines, sees=False, room_tokens=PROMPT_TOKENS) as offline:
                    offline.facts = evolve(offline.facts, context_tokens=_context_tokens(snapshot))
                    yield offline
        else:
            dialect = OpenAiDialect(speaks=snapshot.character.tts == NATIVE)
            dialect.facts = evolve(dialect.facts, context_tokens=_context_tokens(snapshot), **EMBEDDED_FACTS)
            reached = Reached(dialect, self.local_url, LOCAL_MODEL)
            async with _realtime(snapshot, lines, reached, self.token) as session:
                yield session

    async def describe(self, snapshot: Snapshot, url: str) -> str:
        """What a picture shows, in the character's language, by its vision model. Raises `ProviderError`."""
        provider = snapshot.vision
        if provider is None:
            raise NotReady(f"no provider is named under `vision` for {snapshot.name}")
        async with open_chat(self._endpoint(provider)) as chat:
            return await describe(chat, url, snapshot.character.language)

    def _endpoint(self, provider: Provider) -> ChatEndpoint:
        return ChatEndpoint(provider.url, provider.model, self._key(provider), provider.chat_options)

    @asynccontextmanager
    async def _chat(self, snapshot: Snapshot, lines: Sequence[Line]) -> AsyncIterator[ModelSession]:
        """It is asked with the first question, or at once where another one may have to stand in for it."""
        provider, prompt = snapshot.text_provider, snapshot.character.prompt
        asking = partial(self.circuits.asking, snapshot.text_provider_name, provider)
        has_stand_in = snapshot.stand_in(spoken=False) is not None
        sees, room_tokens = provider.sees is not False, _room_tokens(snapshot, provider)
        async with open_chat(self._endpoint(provider)) as chat:
            if has_stand_in:
                with suppress(Misconfigured), asking():  # not every endpoint lists its models
                    await chat.check()
            remembered = Remembered(WithTools(chat, snapshot.tools) if snapshot.tools else chat, asking)
            model = self.asides.answering(snapshot.name, remembered, chat)
            async with open_offline(
                model, prompt, lines, sees=sees, room_tokens=room_tokens, gives_up=has_stand_in
            ) as session:
                session.facts = evolve(session.facts, context_tokens=max(1, room_tokens - message_tokens(prompt)))
                yield session

    def _key(self, provider: Provider) -> str | None:
        with _as_provider_error():
            return provider.api_key(self.environ)


@asynccontextmanager
async def _realtime(
    snapshot: Snapshot, lines: Sequence[Line], reached: Reached, key: str | None, resume: str = ""
) -> AsyncIterator[ModelSession]:
    who, tools = snapshot.character, snapshot.tools
    setup = Setup(who.prompt, who.voice, who.language, reached.model, lines, tools, resume)
    async with open_realtime(reached.dialect, setup, reached.url, key) as session:
        yield session


def _asked_of(snapshot: Snapshot, mode: InputMode) -> tuple[str, Provider]:
    if mode is InputMode.AUDIO:
        return snapshot.provider_name, snapshot.provider
    return snapshot.text_provider_name, snapshot.text_provider


def _context_tokens(snapshot: Snapshot) -> int:
    """What one place in the language model's memory holds beside the character's prompt."""
    return max(1, PROMPT_TOKENS - message_tokens(snapshot.character.prompt))


def _room_tokens(snapshot: Snapshot, provider: Provider) -> int:
    """What a chat endpoint's context holds beside the answer and the descriptions of tools; some of it in any case."""
    described = (f"{tool.name}{tool.description}{dict(tool.parameters)}" for tool in snapshot.tools)
    context_tokens = provider.context_tokens or CONTEXT_TOKENS
    return max(context_tokens - ANSWER_TOKENS - sum(map(tokens, described)), context_tokens // 4)


async def _read(warm: Warm, snapshot: Snapshot, lines: Sequence[Line]) -> None:
    """Has the model read what stands before the first question, as far as there is time for it."""
    prompt = [ChatMessage(role="system", content=snapshot.character.prompt)]
    prompt += [ChatMessage(role=line.role, content=line.text) for line in lines]
    try:
        with trio.move_on_after(WARM_WITHIN):
            await warm.engines.language_model.read(prompt)
    except LocalError as error:
        raise NotReady(str(error)) from error


@contextmanager
def _as_provider_error() -> Iterator[None]:
    """What is wrong with a voice or a key, in the terms in which a start fails."""
    try:
        yield
    except VoiceError as error:
        raise VoiceUnavailable(str(error)) from error
    except ConfigError as error:
        raise KeyMissing(str(error)) from error
