"""Conversation items: the messages of a Realtime conversation."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from attrs import field, frozen
from attrs.validators import max_len, optional

MAX_TEXT = 100_000  # characters; ten times the longest context that a model here takes
MAX_PARTS = 64  # of one message; clients send one or two


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class ContentType(StrEnum):
    INPUT_TEXT = "input_text"
    INPUT_AUDIO = "input_audio"
    OUTPUT_TEXT = "output_text"
    OUTPUT_AUDIO = "output_audio"
    TEXT = "text"
    AUDIO = "audio"


class ItemStatus(StrEnum):
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"


@frozen
class ContentPart:
    """A part of a message; written parts carry `text`, sounding ones what is said in them as `transcript`."""

    type: ContentType
    text: str | None = field(default=None, repr=False, validator=optional(max_len(MAX_TEXT)))
    transcript: str | None = field(default=None, repr=False, validator=optional(max_len(MAX_TEXT)))

    @property
    def words(self) -> str:
        return self.text or self.transcript or ""


@frozen
class MessageItem:
    """A message as it is sent and received. `id` is the client's own, or "" until the server gives one."""

    role: Role
    content: tuple[ContentPart, ...] = field(validator=max_len(MAX_PARTS))
    id: str = ""
    status: ItemStatus = ItemStatus.COMPLETED
    type: Literal["message"] = "message"
    object: Literal["realtime.item"] = "realtime.item"
