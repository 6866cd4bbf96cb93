"""The pretended model: what it hears, when it answers, what it refuses. No I/O, no time."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, assert_never

from neko.audio.pcm import duration_ms
from neko.testing.behaviour import ToolCall
from neko.testing.exchange import (
    AddItem,
    Answer,
    Call,
    Cancel,
    Clear,
    Cleared,
    Commit,
    Committed,
    Configure,
    Configured,
    DeleteItem,
    Ending,
    EndOfSound,
    Fact,
    Hear,
    Interrupt,
    Refused,
    Reply,
    ReplyEnded,
    ReplyStarted,
    Request,
    See,
    Settings,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    TruncateItem,
)
from neko.testing.items import Items
from neko.testing.tagged import BLOCK_MS
from neko.testing.vad import Activity, EnergyVad

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neko.testing.behaviour import Behaviour

DEFAULT_SILENCE_MS = 500  # server_vad's documented default
MIN_COMMIT_MS = 100  # OpenAI refuses to commit less


class PretendedModel:
    """One session's mind; `name` is part of every id that it gives."""

    def __init__(self, behaviour: Behaviour, settings: Settings, hears_hz: int, name: str) -> None:
        self._behaviour = behaviour
        self._settings = settings
        self._hears_hz = hears_hz
        self._name = name
        self._ids = count(1)
        self._utterances = count()
        self._replies = count()
        self._vad = EnergyVad(hears_hz, self._silence_ms())
        self._buffered_ms = 0.0
        self._next_item = self._new_id("item")
        self._items = Items()
        self._active: Reply | None = None

    def on(self, request: Request) -> Iterator[Fact]:
        """What the model answers at once."""
        match request:
            case Configure(settings):
                self._settings = settings
                self._vad.silence_ms = self._silence_ms()
                yield Configured()
            case Hear(pcm):
                yield from self._hear(pcm)
            case Commit():
                yield from self._commit_by_hand()
            case Clear():
                self._forget_sound()
                yield Cleared()
            case EndOfSound():
                yield from self._notice_all(self._vad.end())
            case See():
                return
            case AddItem(item):
                yield self._items.add(item, self._new_id("item"))
            case TruncateItem(item_id, audio_end_ms):
                yield self._items.truncate(item_id, audio_end_ms)
            case DeleteItem(item_id):
                yield self._items.delete(item_id)
            case Answer(speaks):
                yield self._answer(speaks)
            case Cancel(response_id):
                yield self._cancel(response_id)
            case Interrupt():
                yield from self._interrupt()
            case Refused():
                yield request
            case _:
                assert_never(request)

    def gives(self, reply: Reply) -> bool:
        """It has begun, and is neither finished nor interrupted."""
        return self._active is reply

    def finish(self, reply: Reply) -> ReplyEnded:
        """The reply has been given to its end."""
        return self._end(reply, Ending.RATE_LIMITED if reply.refused else Ending.COMPLETED)

    def _hear(self, pcm: bytes) -> Iterator[Fact]:
        self._buffered_ms += duration_ms(pcm, self._hears_hz)
        if self._settings.turn_detection is not None:
            yield from self._notice_all(self._vad.push(pcm))

    def _notice_all(self, activities: Iterator[Activity]) -> Iterator[Fact]:
        detection = self._settings.turn_detection
        for activity in activities:
            match activity:
                case Activity.STARTED:
                    # Decided before it is told: no sound of a reply comes after the speech that interrupts it.
                    interrupts = detection is not None and detection.interrupts_response
                    ended = tuple(self._interrupt()) if interrupts else ()
                    yield SpeechStarted(self._next_item, self._vad.heard_ms - BLOCK_MS)
                    yield from ended
                case Activity.STOPPED:
                    yield SpeechStopped(self._next_item, self._vad.heard_ms)
                    yield from self._commit()
                    if detection is not None and detection.creates_response:
                        yield self._answer(None)
                case _:
                    assert_never(activity)

    def _interrupt(self) -> Iterator[Fact]:
        if self._active is not None:
            yield self._end(self._active, Ending.TURN_DETECTED)

    def _commit_by_hand(self) -> Iterator[Fact]:
        if self._buffered_ms < MIN_COMMIT_MS:
            yield Refused(
                "input_audio_buffer_commit_empty",
                f"Error committing input audio buffer: buffer too small. Expected at least {MIN_COMMIT_MS}ms of audio, "
                f"but buffer only has {self._buffered_ms:.2f}ms of audio.",
            )
        else:
            yield from self._commit()

    def _commit(self) -> Iterator[Fact]:
        item_id, previous = self._next_item, self._items.last
        self._items.put(item_id)
        self._next_item = self._new_id("item")
        self._forget_sound()
        yield Committed(item_id, previous)
        text = self._behaviour.transcript(next(self._utterances))
        if self._settings.transcribes:
            yield Transcribed(item_id, text)

    def _forget_sound(self) -> None:
        self._buffered_ms = 0
        self._vad.reset()

    def _answer(self, speaks: bool | None) -> Fact:
        if self._active is not None:
            return Refused(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self._active.response_id}.",
            )
        previous, reply = self._items.last, self._next_reply(self._settings.speaks if speaks is None else speaks)
        self._active = reply
        self._items.put(reply.item_id, reply)
        return ReplyStarted(reply, previous)

    def _next_reply(self, speaks: bool) -> Reply:
        number, limit = next(self._replies), self._behaviour.replies_until_limit
        response_id, item_id = self._new_id("resp"), self._new_id("item")
        if limit is not None and number >= limit:
            return Reply(response_id, item_id, "", speaks, refused=True)
        match self._behaviour.reply(number, self._settings.tools):
            case ToolCall(name, arguments):
                return Reply(response_id, item_id, arguments, speaks=False, call=Call(self._new_id("call"), name))
            case str(text):
                return Reply(response_id, item_id, text, speaks)

    def _cancel(self, response_id: str | None) -> Fact:
        if self._active is None or response_id not in (None, self._active.response_id):
            return Refused("response_cancel_not_active", "Cancellation failed: no active response found")
        return self._end(self._active, Ending.CLIENT_CANCELLED)

    def _end(self, reply: Reply, ending: Ending) -> ReplyEnded:
        self._active = None
        return ReplyEnded(reply, ending)

    def _silence_ms(self) -> int:
        if self._behaviour.silence_ms is not None:
            return self._behaviour.silence_ms
        detection = self._settings.turn_detection
        return DEFAULT_SILENCE_MS if detection is None else detection.silence_ms

    def _new_id(self, kind: str) -> str:
        return f"{kind}_{self._name}_{next(self._ids)}"
