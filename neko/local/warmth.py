"""Keeps the language model's prefix warm while nobody is being answered; `session.updated` waits for it."""

from __future__ import annotations

import trio

from neko.local.engines import ChatMessage, LanguageModel
from neko.local.errors import LocalError
from neko.local.items import Items
from neko.local.outbox import Outbox
from neko.protocol.realtime.server import SessionUpdated
from neko.protocol.realtime.session import Session
from neko.telemetry import get_logger

log = get_logger("local")

# Seconds. A long cold prefix takes longer, but a pending session has 5 s to come up (`swap_deadline_s`), and a client
# gives up on a start after 10. Reading goes on behind it.
WARM_WITHIN = 4.0


class Warmth:
    """One conversation's prefix. At most one priming is wanted; a newer one, or an answer, cancels it."""

    def __init__(self, nursery: trio.Nursery, model: LanguageModel, items: Items, outbox: Outbox) -> None:
        self._nursery = nursery
        self._model = model
        self._items = items
        self._outbox = outbox
        self._priming = trio.CancelScope()
        self._warm: list[ChatMessage] = []
        self._owed: Session | None = None

    async def confirm(self, session: Session) -> None:
        """Tells the client of this session when its prefix is warm, or after `WARM_WITHIN`."""
        await self._pay()
        self._owed = session
        self._nursery.start_soon(self._confirm_cold, session)
        self._prime()

    def refresh(self) -> None:
        """The items have changed. A session that is not confirmed yet waits for them as well.

        Without instructions nothing is read: they come first in the prompt, and would have all of it read again.
        """
        if self._items.instructions:
            self._prime()

    def leave(self) -> None:
        """An answer needs the model, and warms the prefix itself."""
        self._priming.cancel()

    async def _confirm_cold(self, session: Session) -> None:
        await trio.sleep(WARM_WITHIN)
        if self._owed is session:
            await self._pay()

    def _prime(self) -> None:
        self._priming.cancel()
        self._priming = trio.CancelScope()
        self._nursery.start_soon(self._run, self._priming)

    async def _run(self, priming: trio.CancelScope) -> None:
        prompt = self._items.prompt()
        with priming:
            if prompt and prompt != self._warm:
                await self._read(prompt)
        if priming is self._priming:
            await self._pay()

    async def _read(self, prompt: list[ChatMessage]) -> None:
        try:
            await self._model.read(prompt)
            self._warm = prompt
        except LocalError as broken:
            log.warning("prefix.cold", reason=str(broken))

    async def _pay(self) -> None:
        session, self._owed = self._owed, None
        if session is not None:
            await self._outbox.send((SessionUpdated(session),))
