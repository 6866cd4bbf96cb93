"""One embedded conversation: what each event of the client, and each thing heard, does to it."""

from __future__ import annotations

from typing import assert_never

import trio

from neko.audio.pcm import BYTES_PER_SAMPLE, pieces
from neko.local.answering import Answering
from neko.local.engines import Engines
from neko.local.floor import Floor
from neko.local.hearing import Ear, Ended, Filled, Happening, Resumed, Started, Suspected
from neko.local.items import Items, created
from neko.local.outbox import Outbox
from neko.local.turns import Turn, Utterance
from neko.local.warmth import Warmth
from neko.protocol.realtime.client import (
    AudioAppend,
    AudioClear,
    AudioCommit,
    ClientEvent,
    ItemCreate,
    ItemDelete,
    ItemRetrieve,
    ItemTruncate,
    ResponseCancel,
    ResponseCreate,
    ResponseOptions,
    SessionUpdate,
)
from neko.protocol.realtime.content import Role
from neko.protocol.realtime.converter import change
from neko.protocol.realtime.errors import InvalidRequest
from neko.protocol.realtime.identity import new_id
from neko.protocol.realtime.response import CancelReason
from neko.protocol.realtime.server import (
    Cleared,
    Committed,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemRetrieved,
    ItemTruncated,
    SessionCreated,
    SpeechStarted,
    SpeechStopped,
)
from neko.protocol.realtime.session import Session

MODEL = "local"
MAX_APPEND = 15 * 1024 * 1024  # bytes; OpenAI's limit
MIN_COMMIT_MS = 100  # OpenAI's; nobody says anything in less
STRIDE_MS = 100  # of a long append, between two chances for other tasks to run: 3 frames, less than 1 ms of detection
DEFAULT_LANGUAGE = "en"  # what the recogniser that comes with the package understands


class Conversation:
    """Handled by one task, event by event; what takes time runs in `nursery`."""

    def __init__(self, nursery: trio.Nursery, engines: Engines, outbox: Outbox) -> None:
        self._outbox = outbox
        self._session = Session(new_id("sess"), MODEL)
        self._items = Items()
        self._ear = Ear(engines.new_detector(), self._session.audio.input)
        self._warmth = Warmth(nursery, engines.language_model, self._items, outbox)
        self._answering = Answering(engines, self._items, outbox, self._warmth, self._session)
        self._floor = Floor(nursery, self._answering.run)
        self._speech_id = new_id("item")

    async def begin(self) -> None:
        await self._outbox.send((SessionCreated(self._session),))

    async def handle(self, event: ClientEvent) -> None:
        """Raises `InvalidRequest` for an event that cannot be followed; the conversation is as before then."""
        match event:
            case AudioAppend():
                await self._append(event.audio)
            case AudioCommit():
                await self._commit_buffer()
            case AudioClear():
                self._floor.resume()
                self._ear.clear()
                await self._outbox.send((Cleared(),))
            case SessionUpdate():
                await self._update(change(self._session, event.session))
            case ItemCreate():
                await self._create(event)
            case ItemTruncate():
                await self._truncate(event)
            case ItemDelete():
                self._items.drop(event.item_id)
                self._reconsider()
                await self._outbox.send((ItemDeleted(event.item_id),))
            case ItemRetrieve():
                await self._outbox.send((ItemRetrieved(self._items.get(event.item_id).item()),))
            case ResponseCreate():
                self._floor.answer(event.response or ResponseOptions())
                self._floor.rethink()
            case ResponseCancel():
                self._floor.cancel(event.response_id)
            case _:
                assert_never(event)

    async def _update(self, session: Session) -> None:
        if session.audio.input.turn_detection != self._session.audio.input.turn_detection:
            self._floor.resume()
        self._ear.set(session.audio.input)
        self._session = session
        self._answering.session = session
        self._items.instructions = session.instructions
        self._floor.rethink()
        await self._warmth.confirm(session)
        if self._floor.active:
            self._warmth.leave()

    async def _create(self, event: ItemCreate) -> None:
        entry = created(event.item, new_id("item"))
        self._items.add(entry, event.previous_item_id)
        self._reconsider()
        item, before = entry.item(), self._items.before(entry)
        await self._outbox.send((ItemAdded(item, before), ItemDone(item, before)))

    async def _truncate(self, event: ItemTruncate) -> None:
        entry = self._items.get(event.item_id)
        if entry.role is not Role.ASSISTANT or event.content_index or not entry.spoken:
            said = "Only the sound of a spoken assistant message can be truncated."
            raise InvalidRequest("invalid_value", said, "item_id")
        entry.cut(event.audio_end_ms)
        self._reconsider()
        await self._outbox.send((ItemTruncated(entry.id, event.content_index, event.audio_end_ms),))

    def _reconsider(self) -> None:
        """The items are not what they were."""
        self._floor.rethink()
        if self._floor.active is None:
            self._warmth.refresh()

    async def _append(self, pcm: bytes) -> None:
        if len(pcm) > MAX_APPEND:
            raise InvalidRequest("invalid_value", f"One append carries at most {MAX_APPEND} bytes of audio.", "audio")
        if len(pcm) % BYTES_PER_SAMPLE:
            said = f"{len(pcm)} bytes are no whole number of 16-bit samples."
            raise InvalidRequest("invalid_value", said, "audio")
        for stride in pieces(pcm, STRIDE_MS, self._session.audio.input.format.rate):
            for happening in self._ear.hear(stride):
                await self._on(happening)
            await trio.lowlevel.checkpoint()

    async def _on(self, happening: Happening) -> None:
        match happening:
            case Started(at_ms):
                await self._speech_started(at_ms)
            case Suspected(pcm):
                self._floor.suspect(self._utterance(pcm), self._owed())
            case Resumed():
                self._floor.resume()
            case Ended(at_ms, pcm):
                await self._outbox.send((SpeechStopped(at_ms, self._speech_id),))
                await self._commit(self._floor.take(self._utterance(pcm), self._owed()))
            case Filled(pcm):
                await self._commit(self._floor.take(self._utterance(pcm), None))
            case _:
                assert_never(happening)

    async def _speech_started(self, at_ms: int) -> None:
        vad = self._session.audio.input.turn_detection
        if vad and vad.interrupt_response:
            self._floor.interrupt(CancelReason.TURN_DETECTED)
        await self._outbox.send((SpeechStarted(at_ms, self._speech_id),))

    async def _commit_buffer(self) -> None:
        """The client says that this was all; an answer it asks for itself."""
        buffered = self._ear.buffered_ms
        if buffered < MIN_COMMIT_MS:
            said = (
                "Error committing input audio buffer: buffer too small. "
                f"Expected at least {MIN_COMMIT_MS}ms of audio, but buffer only has {buffered:.2f}ms of audio."
            )
            raise InvalidRequest("input_audio_buffer_commit_empty", said)
        self._floor.resume()
        await self._commit(self._floor.take(self._utterance(self._ear.take()), None))

    async def _commit(self, turn: Turn) -> None:
        assert turn.utterance is not None
        entry = turn.utterance.entry
        self._speech_id = new_id("item")
        self._items.add(entry)
        item, before = turn.utterance.announced(), self._items.before(entry)
        await self._outbox.send((Committed(entry.id, before), ItemAdded(item, before), ItemDone(item, before)))
        turn.certain.set()

    def _utterance(self, pcm: bytes) -> Utterance:
        transcription = self._session.audio.input.transcription
        return Utterance.of(self._speech_id, pcm, (transcription and transcription.language) or DEFAULT_LANGUAGE)

    def _owed(self) -> ResponseOptions | None:
        vad = self._session.audio.input.turn_detection
        return ResponseOptions() if vad and vad.create_response else None
