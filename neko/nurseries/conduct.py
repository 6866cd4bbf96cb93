"""The one task that writes to a model session and moves the `current` pointer."""

from __future__ import annotations

from typing import assert_never

from attrs import define

from neko.conversation.history import History, Role
from neko.nurseries.inbox import Cut, Inbox, Input, MicBlock
from neko.nurseries.outbox import Outbox
from neko.nurseries.slot import Slot
from neko.nurseries.turns import Turns
from neko.protocol.client import Picture, TypedText
from neko.protocol.errors import StatusCode
from neko.protocol.server import Status
from neko.realtime.errors import SessionLost
from neko.realtime.session import Say, See, Tell
from neko.telemetry import get_logger

log = get_logger("conduct")

BLIND_DETAILS = "the model behind this character takes no pictures; they are left out"
MIC_STALE_S = 5.0  # what was heard longer than this before the session was asked for belongs to no conversation


@define(eq=False)
class Conduct:
    """Reads the inbox, in order, until cancelled. Nobody else assigns `current`."""

    current: Slot
    _inbox: Inbox
    _outbox: Outbox
    _history: History
    _turns: Turns
    _asked_at: float  # when the session was asked for
    _told_blind: Slot | None = None

    async def run(self) -> None:
        while True:
            message = await self._inbox.receive()
            try:
                await self._perform(message)
            except SessionLost as lost:
                # Its own task learns of it as well, and tells the client.
                log.info("session.gone", model_session=self.current.session.id, details=lost.details)

    async def _perform(self, message: Input) -> None:
        match message:
            case MicBlock():
                await self._hear(message)
            case TypedText():
                await self._say(message)
            case Picture(url=url):
                await self._show(url)
            case Tell():
                await self.current.session.send(message)
            case Cut():
                await self._cut(message)
            case _:
                assert_never(message)

    async def _hear(self, block: MicBlock) -> None:
        if block.last_at >= self._asked_at - MIC_STALE_S:
            await self.current.hear(block.pcm, block.sample_rate)

    async def _say(self, typed: TypedText) -> None:
        """Typed words cut in on what is being said, as spoken ones do."""
        cut = self._turns.cut_short()
        if cut.cuts:
            for message in cut.messages():
                self._outbox.post(message)
        for each in cut.cuts:
            await self._cut(each)
        self._history.add(Role.USER, typed.text)
        await self.current.session.send(Say(typed.text, typed.request_id))

    async def _show(self, url: str) -> None:
        if self.current.session.facts.sees:
            await self.current.session.send(See(url))
        elif self._told_blind is not self.current:
            self._told_blind = self.current
            self._outbox.post(Status(StatusCode.INVALID_INPUT_TYPE, BLIND_DETAILS))

    async def _cut(self, cut: Cut) -> None:
        if cut.slot is self.current:
            await cut.slot.session.send(cut.interrupt)
