"""One response as a value: what `response.created` and `response.done` tell."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from attrs import frozen

from neko.protocol.realtime.content import MessageItem
from neko.protocol.realtime.session import AudioOutput, Modality


class ResponseStatus(StrEnum):
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class CancelReason(StrEnum):
    TURN_DETECTED = "turn_detected"
    CLIENT_CANCELLED = "client_cancelled"


@frozen
class Failure:
    type: str
    code: str
    message: str


@frozen
class StatusDetails:
    """Why a response did not complete: `reason` of a cancelled one, `error` of a failed one."""

    type: ResponseStatus
    reason: CancelReason | None = None
    error: Failure | None = None


@frozen
class TokenDetails:
    text_tokens: int = 0
    audio_tokens: int = 0
    cached_tokens: int = 0


@frozen
class Usage:
    total_tokens: int
    input_tokens: int
    output_tokens: int
    input_token_details: TokenDetails
    output_token_details: TokenDetails


@frozen
class ResponseAudio:
    output: AudioOutput


@frozen
class Response:
    id: str
    conversation_id: str
    status: ResponseStatus
    output_modalities: tuple[Modality, ...]
    audio: ResponseAudio
    status_details: StatusDetails | None = None
    output: tuple[MessageItem, ...] = ()
    usage: Usage | None = None
    metadata: dict[str, str] | None = None
    max_output_tokens: Literal["inf"] = "inf"
    object: Literal["realtime.response"] = "realtime.response"
