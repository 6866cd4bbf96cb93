"""The provider's end: OpenAI Realtime, as much of it as a server under load asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from neko.bench.load.wire import client_of, decoded_size, event, sound_in

if TYPE_CHECKING:
    from neko.bench.load.caller import Caller

KNOWN_AFTER = 10  # appends: 200 ms, when a resampler has long settled on the level that names its client
_APPEND = b"input_audio_buffer.append"


class OpenSessions:
    """Those that a server has not closed."""

    def __init__(self) -> None:
        self._sessions: set[ProviderSession] = set()
        self._none = asyncio.Event()
        self._none.set()

    def add(self, session: ProviderSession) -> None:
        self._sessions.add(session)
        self._none.clear()

    def remove(self, session: ProviderSession) -> None:
        self._sessions.discard(session)
        if not self._sessions:
            self._none.set()

    async def left(self, within_s: float) -> int:
        """How many are still open when that time is over; they are closed then."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._none.wait(), within_s)
        left = list(self._sessions)
        for session in left:
            session.hang_up()
        return len(left)


class ProviderSession(WSListener):
    """One session that a server opened. `caller` is whose sound it hears, once that is known."""

    def __init__(self, now: Callable[[], float], callers: list[Caller], open_ones: OpenSessions) -> None:
        self._now = now
        self._callers = callers
        self._open_ones = open_ones
        self._appends = 0
        self._unknown: list[tuple[float, int]] = []
        self._caller: Caller | None = None
        self._transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._open_ones.add(self)
        self.say(event("session.created", session={"id": f"sess_{id(self)}", "object": "realtime.session"}))

    def on_ws_disconnected(self, _: WSTransport) -> None:
        self._open_ones.remove(self)
        if self._caller is not None:
            self._caller.lost(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return
        if frame.msg_type != WSMsgType.TEXT:
            return
        said = frame.get_payload_as_bytes()
        if said.find(_APPEND, 0, 80) >= 0 or said.rfind(_APPEND) >= 0:
            self._hear(said)
        else:
            self._answer(orjson.loads(said))

    def say(self, frame: bytes) -> None:
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.send(WSMsgType.TEXT, frame)

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def _hear(self, append: bytes) -> None:
        now, size = self._now(), decoded_size(sound_in(append))
        if self._caller is not None:
            self._caller.microphone.heard(now, size)
            return
        self._appends += 1
        self._unknown.append((now, size))
        if self._appends == KNOWN_AFTER:
            self._caller = self._callers[client_of(append)]
            for at, before in self._unknown:
                self._caller.microphone.heard(at, before)
            self._caller.found(self)

    def _answer(self, said: dict[str, Any]) -> None:
        match said["type"]:
            case "session.update":
                session = said["session"] | {"id": f"sess_{id(self)}", "object": "realtime.session"}
                self.say(event("session.updated", session=session))
            case _:
                pass  # what is told of the past, and what is interrupted, asks for no answer
