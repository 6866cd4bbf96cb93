"""One response as its client is told it: from `response.created` to `response.done`, in GA order."""

from __future__ import annotations

from typing import TypedDict, assert_never

from attrs import evolve

from neko.audio.pcm import duration_ms
from neko.local.beats import Beat, Broke, Sound, Told, Written
from neko.local.engines import SPEECH_HZ
from neko.local.items import Entry, Items, message_tokens
from neko.local.outbox import Outbox
from neko.protocol.realtime.content import ContentPart, ContentType, ItemStatus, Role
from neko.protocol.realtime.identity import new_id
from neko.protocol.realtime.response import (
    CancelReason,
    Failure,
    Response,
    ResponseStatus,
    StatusDetails,
    TokenDetails,
    Usage,
)
from neko.protocol.realtime.server import (
    AudioDelta,
    AudioDone,
    Error,
    ErrorDetails,
    ItemAdded,
    ItemDone,
    OutputItemAdded,
    OutputItemDone,
    PartAdded,
    PartDone,
    ResponseCreated,
    ResponseDone,
    ServerEvent,
    TextDelta,
    TextDone,
    TranscriptDelta,
    TranscriptDone,
)
from neko.protocol.realtime.session import Modality

SERVER_ERROR = "server_error"
ENGINE_FAILED = "engine_failed"


class Telling:
    """Tells one response and writes into the conversation what was told. Used by one task.

    Every send is one atomic step: a cancelled one was not sent, and is not written down.
    """

    def __init__(self, outbox: Outbox, items: Items, response: Response) -> None:
        self._outbox = outbox
        self._items = items
        self._response = response
        self._entry: Entry | None = None
        self._failure: Failure | None = None
        self.begun = False

    async def begin(self) -> None:
        await self._outbox.send((ResponseCreated(self._response),))
        self.begun = True

    async def tell(self, beat: Beat) -> None:
        match beat:
            case Written(text):
                entry = await self._opened()
                await self._outbox.send((TextDelta(**self._where(entry), delta=text),))
                entry.tell(text)
            case Told(text):
                entry = await self._opened()
                await self._outbox.send((TranscriptDelta(**self._where(entry), delta=text),))
                entry.tell(text)
                entry.playout.told(text)
            case Sound(pcm):
                entry = await self._opened()
                await self._outbox.send((AudioDelta(**self._where(entry), delta=pcm),))
                entry.playout.sent(duration_ms(pcm, SPEECH_HZ), 0.0)
            case Broke(message):
                self._failure = Failure(SERVER_ERROR, ENGINE_FAILED, message)
            case _:
                assert_never(beat)

    async def end(self, cut_by: CancelReason | None, prompt_tokens: int) -> None:
        """The last events: of the message, if there was one, and of the response."""
        if not self.begun:
            await self.begin()
        status, details = self._ending(cut_by)
        closing = self._closing(self._entry, status) if self._entry else ()
        complaint = (engine_error(self._failure.message),) if self._failure else ()
        done = evolve(
            self._response,
            status=status,
            status_details=details,
            output=(self._entry.item(),) if self._entry else (),
            usage=self._usage(prompt_tokens),
        )
        await self._outbox.send((*closing, *complaint, ResponseDone(done)))

    async def _opened(self) -> Entry:
        """The message of this response, announced before its first words."""
        if self._entry is None:
            entry = Entry(new_id("item"), Role.ASSISTANT, [_part(self._item_type, "")])
            empty = evolve(entry.item(), content=())
            added = OutputItemAdded(self._response.id, empty), ItemAdded(empty, self._items.last_id)
            await self._outbox.send((*added, PartAdded(**self._where(entry), part=_part(self._part_type, ""))))
            self._items.add(entry)
            self._entry = entry
        return self._entry

    def _closing(self, entry: Entry, status: ResponseStatus) -> tuple[ServerEvent, ...]:
        completed = status is ResponseStatus.COMPLETED
        entry.status = ItemStatus.COMPLETED if completed else ItemStatus.INCOMPLETE
        where, words = self._where(entry), entry.words
        content: tuple[ServerEvent, ...] = (TextDone(**where, text=words),)
        if self._speaks:
            content = AudioDone(**where), TranscriptDone(**where, transcript=words)
        return (
            *content,
            PartDone(**where, part=_part(self._part_type, words)),
            ItemDone(entry.item(), self._items.before(entry)),
            OutputItemDone(self._response.id, entry.item()),
        )

    def _ending(self, cut_by: CancelReason | None) -> tuple[ResponseStatus, StatusDetails | None]:
        if self._failure is not None:
            return ResponseStatus.FAILED, StatusDetails(ResponseStatus.FAILED, error=self._failure)
        if cut_by is not None:
            return ResponseStatus.CANCELLED, StatusDetails(ResponseStatus.CANCELLED, reason=cut_by)
        return ResponseStatus.COMPLETED, None

    def _usage(self, given: int) -> Usage:
        """Estimates: the engines do not count."""
        made = message_tokens(self._entry.words) if self._entry else 0
        return Usage(given + made, given, made, TokenDetails(text_tokens=given), TokenDetails(text_tokens=made))

    @property
    def _speaks(self) -> bool:
        return self._response.output_modalities[0] is Modality.AUDIO

    @property
    def _item_type(self) -> ContentType:
        return ContentType.OUTPUT_AUDIO if self._speaks else ContentType.OUTPUT_TEXT

    @property
    def _part_type(self) -> ContentType:
        """OpenAI calls the same thing `audio` in the events of a part and `output_audio` in an item."""
        return ContentType.AUDIO if self._speaks else ContentType.TEXT

    def _where(self, entry: Entry) -> _Where:
        return {"response_id": self._response.id, "item_id": entry.id}


class _Where(TypedDict):
    response_id: str
    item_id: str


def engine_error(message: str) -> Error:
    return Error(ErrorDetails(SERVER_ERROR, ENGINE_FAILED, message))


def _part(kind: ContentType, words: str) -> ContentPart:
    spoken = kind in (ContentType.AUDIO, ContentType.OUTPUT_AUDIO)
    return ContentPart(kind, transcript=words) if spoken else ContentPart(kind, text=words)
