"""The pretended model: what it hears, when it answers, what it refuses. No I/O, no time."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, assert_never

from neko.audio.pcm import duration_ms
from neko.testing.exchange import (
    AddItem,
    Answer,
    Cancel,
    Clear,
    Cleared,
    Commit,
    Committed,
    Configure,
    Configured,
    DeleteItem,
    Ending,
    Fact,
    Hear,
    ItemAdded,
    ItemDeleted,
    ItemTruncated,
    Refused,
    Reply,
    ReplyEnded,
    ReplyStarted,
    Request,
    Settings,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    TruncateItem,
)
from neko.testing.tagged import BLOCK_MS
from neko.testing.vad import Activity, EnergyVad

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neko.testing.behaviour import Behaviour

DEFAULT_SILENCE_MS = 500  # server_vad's documented default
MIN_COMMIT_MS = 100  # OpenAI refuses to commit less


class PretendedModel:
    """One session's mind; `name` is part of every id that it gives."""

    def __init__(self, behaviour: Behaviour, settings: Settings, rate: int, name: str) -> None:
        self._behaviour = behaviour
        self._settings = settings
        self._rate = rate
        self._name = name
        self._ids = count(1)
        self._utterances = count()
        self._replies = count()
        self._vad = EnergyVad(rate, self._silence_ms())
        self._buffered_ms = 0.0
        self._next_item = self._new_id("item")
        self._items: dict[str, Reply | None] = {}
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
            case AddItem(item):
                previous = self._last_item()
                item_id = item.get("id") or self._new_id("item")
                self._items[item_id] = None
                yield ItemAdded({**item, "id": item_id}, previous)
            case TruncateItem(item_id, audio_end_ms):
                yield self._truncate(item_id, audio_end_ms)
            case DeleteItem(item_id):
                yield self._delete(item_id)
            case Answer(speaks):
                yield self._answer(speaks)
            case Cancel():
                yield self._cancel()
            case Refused():
                yield request
            case _:
                assert_never(request)

    def finish(self, reply: Reply) -> ReplyEnded:
        """The reply has been given to its end."""
        return self._end(reply, Ending.COMPLETED)

    def _hear(self, pcm: bytes) -> Iterator[Fact]:
        self._buffered_ms += duration_ms(pcm, self._rate)
        if self._settings.turn_detection is None:
            return
        for activity in self._vad.push(pcm):
            match activity:
                case Activity.STARTED:
                    yield from self._speech_started()
                case Activity.STOPPED:
                    yield SpeechStopped(self._next_item, self._vad.heard_ms)
                    yield from self._commit()
                    if self._settings.turn_detection.creates_response:
                        yield self._answer(None)
                case _:
                    assert_never(activity)

    def _speech_started(self) -> Iterator[Fact]:
        yield SpeechStarted(self._next_item, self._vad.heard_ms - BLOCK_MS)
        detection = self._settings.turn_detection
        if self._active is not None and detection is not None and detection.interrupts_response:
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
        item_id, previous = self._next_item, self._last_item()
        self._items[item_id] = None
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
        previous = self._last_item()
        self._active = Reply(
            response_id=self._new_id("resp"),
            item_id=self._new_id("item"),
            text=self._behaviour.reply(next(self._replies)),
            speaks=self._settings.speaks if speaks is None else speaks,
        )
        self._items[self._active.item_id] = self._active
        return ReplyStarted(self._active, previous)

    def _cancel(self) -> Fact:
        if self._active is None:
            return Refused("response_cancel_not_active", "Cancellation failed: no active response found")
        return self._end(self._active, Ending.CLIENT_CANCELLED)

    def _end(self, reply: Reply, ending: Ending) -> ReplyEnded:
        self._active = None
        return ReplyEnded(reply, ending)

    def _truncate(self, item_id: str, audio_end_ms: int) -> Fact:
        reply = self._items.get(item_id)
        if reply is None:
            return Refused("item_truncate_invalid_item_id", f"Item '{item_id}' not found.", "item_id")
        if audio_end_ms > reply.spoken_ms:
            message = f"Audio content of {reply.spoken_ms}ms is already shorter than {audio_end_ms}ms"
            return Refused("invalid_value", message, "audio_end_ms")
        reply.spoken_ms = audio_end_ms
        return ItemTruncated(item_id, audio_end_ms)

    def _delete(self, item_id: str) -> Fact:
        if item_id not in self._items:
            return Refused("item_delete_invalid_item_id", f"Item '{item_id}' not found.", "item_id")
        del self._items[item_id]
        return ItemDeleted(item_id)

    def _last_item(self) -> str | None:
        return next(reversed(self._items), None)

    def _silence_ms(self) -> int:
        if self._behaviour.silence_ms is not None:
            return self._behaviour.silence_ms
        detection = self._settings.turn_detection
        return DEFAULT_SILENCE_MS if detection is None else detection.silence_ms

    def _new_id(self, kind: str) -> str:
        return f"{kind}_{self._name}_{next(self._ids)}"
