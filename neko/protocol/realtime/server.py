"""What a Realtime server says: one frozen value per event type, joined in `ServerEvent`."""

from __future__ import annotations

from typing import Any, Literal

from attrs import field, frozen

from neko.protocol.realtime.content import ContentPart, MessageItem
from neko.protocol.realtime.response import Response
from neko.protocol.realtime.session import Session


@frozen
class SessionCreated:
    session: Session


@frozen
class SessionUpdated:
    session: Session


@frozen
class ErrorDetails:
    type: str
    code: str
    message: str
    param: str | None = None
    event_id: str | None = None


@frozen
class Error:
    error: ErrorDetails


@frozen
class SpeechStarted:
    """`audio_start_ms`: of all the audio that the session was given, where the utterance begins, padding included."""

    audio_start_ms: int
    item_id: str


@frozen
class SpeechStopped:
    audio_end_ms: int
    item_id: str


@frozen
class Committed:
    item_id: str
    previous_item_id: str | None


@frozen
class Cleared:
    pass


@frozen
class ItemAdded:
    item: MessageItem
    previous_item_id: str | None


@frozen
class ItemDone:
    item: MessageItem
    previous_item_id: str | None


@frozen
class ItemTruncated:
    item_id: str
    content_index: int
    audio_end_ms: int


@frozen
class ItemDeleted:
    item_id: str


@frozen
class ItemRetrieved:
    item: MessageItem


@frozen
class TranscriptionDelta:
    item_id: str
    delta: str = field(repr=False)
    content_index: int = 0


@frozen
class Heard:
    """How much was transcribed, in seconds."""

    seconds: float
    type: Literal["duration"] = "duration"


@frozen
class TranscriptionCompleted:
    item_id: str
    transcript: str = field(repr=False)
    usage: Heard
    content_index: int = 0


@frozen
class TranscriptionFailed:
    item_id: str
    error: ErrorDetails
    content_index: int = 0


@frozen
class ResponseCreated:
    response: Response


@frozen
class ResponseDone:
    response: Response


@frozen
class OutputItemAdded:
    response_id: str
    item: MessageItem
    output_index: int = 0


@frozen
class OutputItemDone:
    response_id: str
    item: MessageItem
    output_index: int = 0


@frozen(kw_only=True)
class Output:
    """Where in a response something belongs."""

    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0


@frozen(kw_only=True)
class PartAdded(Output):
    part: ContentPart


@frozen(kw_only=True)
class PartDone(Output):
    part: ContentPart


@frozen(kw_only=True)
class AudioDelta(Output):
    """PCM16 at 24 kHz; base64 on the wire."""

    delta: bytes = field(repr=lambda pcm: f"<{len(pcm)} bytes>")


@frozen(kw_only=True)
class AudioDone(Output):
    pass


@frozen(kw_only=True)
class TranscriptDelta(Output):
    delta: str = field(repr=False)


@frozen(kw_only=True)
class TranscriptDone(Output):
    transcript: str = field(repr=False)


@frozen(kw_only=True)
class TextDelta(Output):
    delta: str = field(repr=False)


@frozen(kw_only=True)
class TextDone(Output):
    text: str = field(repr=False)


ServerEvent = (
    SessionCreated
    | SessionUpdated
    | Error
    | SpeechStarted
    | SpeechStopped
    | Committed
    | Cleared
    | ItemAdded
    | ItemDone
    | ItemTruncated
    | ItemDeleted
    | ItemRetrieved
    | TranscriptionDelta
    | TranscriptionCompleted
    | TranscriptionFailed
    | ResponseCreated
    | ResponseDone
    | OutputItemAdded
    | OutputItemDone
    | PartAdded
    | PartDone
    | AudioDelta
    | AudioDone
    | TranscriptDelta
    | TranscriptDone
    | TextDelta
    | TextDone
)

SERVER_TYPES: dict[type[Any], str] = {
    SessionCreated: "session.created",
    SessionUpdated: "session.updated",
    Error: "error",
    SpeechStarted: "input_audio_buffer.speech_started",
    SpeechStopped: "input_audio_buffer.speech_stopped",
    Committed: "input_audio_buffer.committed",
    Cleared: "input_audio_buffer.cleared",
    ItemAdded: "conversation.item.added",
    ItemDone: "conversation.item.done",
    ItemTruncated: "conversation.item.truncated",
    ItemDeleted: "conversation.item.deleted",
    ItemRetrieved: "conversation.item.retrieved",
    TranscriptionDelta: "conversation.item.input_audio_transcription.delta",
    TranscriptionCompleted: "conversation.item.input_audio_transcription.completed",
    TranscriptionFailed: "conversation.item.input_audio_transcription.failed",
    ResponseCreated: "response.created",
    ResponseDone: "response.done",
    OutputItemAdded: "response.output_item.added",
    OutputItemDone: "response.output_item.done",
    PartAdded: "response.content_part.added",
    PartDone: "response.content_part.done",
    AudioDelta: "response.output_audio.delta",
    AudioDone: "response.output_audio.done",
    TranscriptDelta: "response.output_audio_transcript.delta",
    TranscriptDone: "response.output_audio_transcript.done",
    TextDelta: "response.output_text.delta",
    TextDone: "response.output_text.done",
}
