"""The providers of a house as they have answered so far, to all of its characters: one that fails is left alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import trio
from attrs import define, field, frozen

from neko.config.model import Provider
from neko.realtime.asking import Replies
from neko.realtime.chat_calls import Call
from neko.realtime.circuit import Circuit
from neko.realtime.errors import KeyMissing, NotReady, ProviderError, Unreachable, VoiceUnavailable
from neko.telemetry import get_logger
from neko.telemetry.metrics import Metrics

log = get_logger("circuits")

SILENT_S = 3.0  # without an answer when whoever asked gave up: that was the provider, and not a person who left
OURS = (KeyMissing, NotReady, VoiceUnavailable)  # say nothing about a provider


@define(eq=False)
class Circuits:
    """A provider whose configuration has changed is another one; sessions of the one before may still go on."""

    _metrics: Metrics
    _of: dict[tuple[str, Provider], Circuit] = field(factory=dict, init=False)  # one more for each change of the file

    def of(self, name: str, provider: Provider) -> Circuit:
        circuit = self._of.get((name, provider))
        if circuit is None:
            circuit = self._of[name, provider] = Circuit()
            self._metrics.left_alone.labels(name).set(0)
        return circuit

    @contextmanager
    def asking(self, name: str, provider: Provider) -> Iterator[None]:
        """Around an attempt to reach a provider: how it ends is remembered.

        Raises:
            ProviderError: it is not asked now; the error says why, and until when.
        """
        circuit, began = self.of(name, provider), trio.current_time()
        why_not = circuit.admit(began)
        if why_not is not None:
            raise why_not
        was_open = circuit.open
        try:
            yield
        except OURS:
            circuit.withdrew()
            raise
        except ProviderError as error:
            self.failed(name, provider, error)
            raise
        except BaseException:
            if trio.current_time() - began < SILENT_S:
                circuit.withdrew()
            else:
                self.failed(name, provider, Unreachable(f"{name} did not answer for {SILENT_S:g} s"))
            raise
        circuit.succeeded()
        self._metrics.left_alone.labels(name).set(0)
        if was_open:
            log.info("provider.answers", provider=name)

    def failed(self, name: str, provider: Provider, error: ProviderError) -> None:
        """An attempt has failed, or what was asked later did."""
        circuit = self.of(name, provider)
        was_open = circuit.open
        circuit.failed(error, trio.current_time())
        self._metrics.provider_errors.labels(name, error.code.value).inc()
        self._metrics.left_alone.labels(name).set(circuit.open)
        if circuit.open and not was_open:
            log.warning("provider.left_alone", provider=name, code=error.code, details=error.details)


@frozen
class Remembered:
    """A model that answers over HTTP, and whose failures are remembered: each question is an attempt to reach it."""

    _model: Replies
    _asking: Callable[[], AbstractContextManager[None]]

    @asynccontextmanager
    async def reply(self, messages: Sequence[Any]) -> AsyncIterator[AsyncIterator[str | Call]]:
        """As the model's own."""
        async with AsyncExitStack() as stack:
            with self._asking():
                pieces = await stack.enter_async_context(self._model.reply(messages))
            yield pieces
