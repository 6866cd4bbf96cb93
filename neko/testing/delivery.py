"""From a session to its socket: the only task that writes to it, and where mischief meets what was to be said."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import trio
from attrs import frozen
from trio_websocket import ConnectionClosed

from neko.testing.exchange import HangUp
from neko.testing.mischief import Cut, Deafen, Fate, Mischief
from neko.testing.record import VANISHED, Ended, Party
from neko.testing.tagged import BLOCK_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_websocket import WebSocketConnection

    from neko.testing.behaviour import Behaviour
    from neko.testing.wire import Wire

CLOSE_WITHIN = 1.0  # a client that does not answer a close frame is left
OUTBOX = 64  # facts; a client that does not read holds back the reply, as TCP would


@frozen
class Frame:
    """One event as it goes over the wire, and what the dialect calls it."""

    kind: str
    data: str | bytes


@frozen
class Outgoing:
    """The events of one fact, which nothing separates, and the tagged blocks in them."""

    frames: tuple[Frame | HangUp, ...]
    blocks: range = range(0)


class Delivery:
    """What is put into `outbox` leaves in order. `fate` is how we ended the session, None as long as we did not."""

    def __init__(self, behaviour: Behaviour, on_spoken: Callable[[range], None]) -> None:
        self.outbox, self._outgoing = trio.open_memory_channel[Outgoing | Fate](OUTBOX)
        self.fate: Ended | None = None
        self._mischief = Mischief(behaviour)
        self._on_spoken = on_spoken
        self._spoken_ms = 0

    async def run(self, connection: WebSocketConnection, wire: Wire) -> None:
        """Until the session ends, whoever ends it."""
        try:
            await self._meet(self._mischief.fate(0), connection, wire)
            while self.fate is None:
                await self._send(await self._outgoing.receive(), connection, wire)
        except ConnectionClosed:
            return

    def close(self) -> None:
        """Nothing can be put into the outbox any more: for when all of the session's own tasks are gone."""
        self.outbox.close()
        self._outgoing.close()

    async def _send(self, item: Outgoing | Fate, connection: WebSocketConnection, wire: Wire) -> None:
        if not isinstance(item, Outgoing):
            await self._meet(item, connection, wire)
            return
        for frame in item.frames:
            if isinstance(frame, HangUp):
                await self._meet(frame, connection, wire)
            else:
                await self._pass_on(frame, item.blocks, connection)
                await self._meet(self._mischief.fate(self._spoken_ms), connection, wire)
            if self.fate is not None:
                return

    async def _pass_on(self, frame: Frame, blocks: range, connection: WebSocketConnection) -> None:
        passed = self._mischief.pass_on(frame.kind, frame.data)
        if passed is not None:
            await connection.send_message(passed)
            self._spoken_ms += len(blocks) * BLOCK_MS
            self._on_spoken(blocks)

    async def _meet(self, fate: Fate | None, connection: WebSocketConnection, wire: Wire) -> None:
        match fate:
            case None:
                pass
            case HangUp(code, reason):
                self.fate = Ended(Party.PROVIDER, code)
                with trio.move_on_after(CLOSE_WITHIN):
                    await connection.aclose(code, reason)
            case Cut():
                self.fate = Ended(Party.PROVIDER, VANISHED)
                wire.cut()
            case Deafen():
                wire.go_deaf()
            case _:
                assert_never(fate)
