"""What a Realtime client may say: one frozen value per event type, joined in `ClientEvent`."""

from __future__ import annotations

from typing import Any, Literal

from attrs import field, frozen
from attrs.validators import ge, max_len, optional

from neko.protocol.realtime.content import MAX_TEXT, MessageItem
from neko.protocol.realtime.session import Modality

MAX_METADATA = 16  # pairs, as OpenAI takes them


@frozen(kw_only=True)
class ClientFrame:
    """What any event may carry: the client's own id, which an `error` about it repeats."""

    event_id: str | None = None


@frozen
class SessionUpdate(ClientFrame):
    """Changes, not a whole session: what is absent stays as it is."""

    session: dict[str, Any] = field(repr=False)


@frozen
class AudioAppend(ClientFrame):
    """PCM16 at the session's input rate; base64 on the wire."""

    audio: bytes = field(repr=lambda pcm: f"<{len(pcm)} bytes>")


@frozen
class AudioCommit(ClientFrame):
    pass


@frozen
class AudioClear(ClientFrame):
    pass


@frozen
class ItemCreate(ClientFrame):
    """`previous_item_id`: None appends, "root" begins, any other id is the one to stand after."""

    item: MessageItem
    previous_item_id: str | None = None


@frozen
class ItemTruncate(ClientFrame):
    item_id: str
    content_index: int
    audio_end_ms: int = field(validator=ge(0))


@frozen
class ItemDelete(ClientFrame):
    item_id: str


@frozen
class ItemRetrieve(ClientFrame):
    item_id: str


@frozen
class ResponseOptions:
    """What one response does differently. Responses outside the conversation are not offered here."""

    instructions: str | None = field(default=None, repr=False, validator=optional(max_len(MAX_TEXT)))
    output_modalities: tuple[Modality, ...] | None = field(default=None, validator=optional(max_len(1)))
    metadata: dict[str, str] | None = field(default=None, validator=optional(max_len(MAX_METADATA)))
    conversation: Literal["auto"] = "auto"


@frozen
class ResponseCreate(ClientFrame):
    response: ResponseOptions | None = None


@frozen
class ResponseCancel(ClientFrame):
    response_id: str | None = None


ClientEvent = (
    SessionUpdate
    | AudioAppend
    | AudioCommit
    | AudioClear
    | ItemCreate
    | ItemTruncate
    | ItemDelete
    | ItemRetrieve
    | ResponseCreate
    | ResponseCancel
)

CLIENT_TYPES: dict[str, type[ClientFrame]] = {
    "session.update": SessionUpdate,
    "input_audio_buffer.append": AudioAppend,
    "input_audio_buffer.commit": AudioCommit,
    "input_audio_buffer.clear": AudioClear,
    "conversation.item.create": ItemCreate,
    "conversation.item.truncate": ItemTruncate,
    "conversation.item.delete": ItemDelete,
    "conversation.item.retrieve": ItemRetrieve,
    "response.create": ResponseCreate,
    "response.cancel": ResponseCancel,
}
