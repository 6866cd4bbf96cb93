"""The client's end: one person who talks all the time, or in turns, and the replies that they are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from neko.bench.load.order import MicFrames, Work
from neko.bench.load.record import Speech, Utterances
from neko.bench.load.wire import (
    CAPTION_EVERY,
    DELTA_MS,
    caption_frame,
    decoded_size,
    delta_frame,
    event,
    mic_frame,
    response_begins,
    response_ends,
    sound_in,
    start_frame,
)

if TYPE_CHECKING:
    from neko.bench.load.provider import ProviderSession

UTTERANCE_S, PAUSE_S, REPLY_S, REST_S = 2.0, 0.3, 3.0, 0.7  # of a turn, half of which is the character's
TURN_S = UTTERANCE_S + PAUSE_S + REPLY_S + REST_S
# Multiples of an irrational number spread evenly over an interval, however many there are (Weyl's equidistribution),
# and those of two say nothing of each other: when somebody's microphone begins, and when their replies do.
GOLDEN, SILVER = 0.618034, 0.414214  # the fractional parts of the golden ratio and of the square root of two
_CHUNK = b'"audio_chunk"'
_STARTED = b'"session_started"'
_FAILED = b'"session_failed"'


class Caller(WSListener):
    """One client. Times are those of the event loop's clock."""

    def __init__(self, number: int, work: Work, frames: MicFrames) -> None:
        self._loop = asyncio.get_running_loop()
        self._work = work
        self._frame = mic_frame(number, frames)
        self._tick_s = frames.ms / 1000
        self._session: ProviderSession | None = None
        self._transport: WSTransport | None = None
        self._timers: dict[Callable[..., None], asyncio.TimerHandle] = {}
        self._replies = 0
        self._delta = self._caption = b""
        self._left: int | None = None  # deltas of this reply; None: it has no end
        self.number = number
        self.asked_at = 0.0
        self.started: asyncio.Future[float] = self._loop.create_future()
        self.paired: asyncio.Future[None] = self._loop.create_future()
        self.microphone = Utterances()
        self.speeches: list[Speech] = []
        self.late: list[float] = []  # by how much each frame of the microphone left too late

    # --- its socket -----------------------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_disconnected(self, _: WSTransport) -> None:
        self.hush()
        for future in (self.started, self.paired):
            if not future.done():
                future.set_exception(ConnectionError("the server closed"))
                future.exception()  # seen: perhaps nobody waits for it

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT:
            said = frame.get_payload_as_bytes()
            if _CHUNK in said:
                self.speeches[-1].heard(self._loop.time(), decoded_size(sound_in(said)))
            elif not self.started.done() and (_STARTED in said or _FAILED in said):
                if _FAILED in said:
                    self.started.set_exception(ConnectionError(said.decode()))
                else:
                    self.started.set_result(self._loop.time())

    def send(self, frame: bytes) -> None:
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.send(WSMsgType.TEXT, frame)

    # --- its life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self.asked_at = self._loop.time()
        self.send(start_frame())

    def begin(self) -> None:
        """Switches the microphone on, up to the length of a delta from now: the longest rhythm that there is.

        Within a tick of the microphone, whatever happens at every second one would happen to all at the same time.
        """
        if self._work is not Work.IDLE:
            self._at(self._loop.time() + self.number * GOLDEN % 1 * DELTA_MS / 1000, self._talk)

    def found(self, session: ProviderSession) -> None:
        """This is the provider's session that hears it."""
        first, self._session = self._session is None, session
        if first:
            if not self.paired.done():
                self.paired.set_result(None)
            if self._work is Work.BOTH:
                self._at(self._loop.time() + self.number * SILVER % 1 * DELTA_MS / 1000, self._reply_without_end)
            else:
                self._at(self._loop.time() + self.number * 0.37 % TURN_S, self._turn)

    def lost(self, session: ProviderSession) -> None:
        if self._session is session:
            self._session = None

    def hush(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def leave(self) -> None:
        self.hush()
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.send_close(WSCloseCode.OK)
            self._transport.disconnect()

    # --- what it does, tick by tick -------------------------------------------------------------------------------

    def _talk(self, due: float) -> None:
        now = self._loop.time()
        self.late.append(now - due)
        self.microphone.sent.append(now)
        self.send(self._frame)
        self._at(due + self._tick_s, self._talk)

    def _turn(self, due: float) -> None:
        self._say(event("input_audio_buffer.speech_started", audio_start_ms=0, item_id=f"said_{self._replies}"))
        self._at(due + UTTERANCE_S, self._said)

    def _said(self, due: float) -> None:
        item = f"said_{self._replies}"
        self._say(event("input_audio_buffer.speech_stopped", audio_end_ms=0, item_id=item))
        self._say(event("input_audio_buffer.committed", item_id=item, previous_item_id=None))
        kind = "conversation.item.input_audio_transcription.completed"
        self._say(event(kind, item_id=item, content_index=0, transcript="Tell me more."))
        self._at(due + PAUSE_S, self._reply_in_turn)

    def _reply_in_turn(self, _: float) -> None:
        self._reply(endless=False)

    def _reply_without_end(self, _: float) -> None:
        self._reply(endless=True)

    def _reply(self, *, endless: bool) -> None:
        self._replies += 1
        response = f"resp_{self.number}_{self._replies}"
        self._delta, self._caption = delta_frame(response), caption_frame(response)
        self._left = None if endless else int(REPLY_S * 1000 / DELTA_MS)
        self.speeches.append(Speech())
        for frame in response_begins(response):
            self._say(frame)
        self._at(self._loop.time() + DELTA_MS / 1000, self._speak)

    def _speak(self, due: float) -> None:
        sent = self.speeches[-1].sent
        if len(sent) % CAPTION_EVERY == 0:
            self._say(self._caption)
        sent.append(self._loop.time())
        self._say(self._delta)
        if self._left is None or len(sent) < self._left:
            self._at(due + DELTA_MS / 1000, self._speak)
            return
        for frame in response_ends(f"resp_{self.number}_{self._replies}"):
            self._say(frame)
        self._at(due + REST_S, self._turn)

    def _say(self, frame: bytes) -> None:
        if self._session is not None:
            self._session.say(frame)

    def _at(self, due: float, what: Callable[[float], None]) -> None:
        self._timers[what] = self._loop.call_at(due, what, due)
