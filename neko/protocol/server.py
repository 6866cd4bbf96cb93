"""What the server says: one frozen value per `type`, joined in `ServerMessage`."""

from __future__ import annotations

from typing import Any, Literal

from attrs import field, frozen

from neko.protocol.client import InputMode
from neko.protocol.errors import StatusCode


@frozen
class SessionPreparing:
    input_mode: InputMode


@frozen
class SessionStarted:
    input_mode: InputMode
    session_id: str
    resume_token: str = field(repr=False)


@frozen
class SessionFailed:
    input_mode: InputMode


@frozen
class SessionEndedByServer:
    input_mode: InputMode


@frozen
class UserTranscript:
    text: str = field(repr=False)


@frozen
class ReplyText:
    """A piece of the reply. On the wire `gemini_response`, a name that existing clients know."""

    text: str = field(repr=False)
    is_new: bool
    turn_id: str
    request_id: str | None = None


@frozen
class AudioChunk:
    """A piece of speech: PCM16 little-endian mono at 48 kHz.

    `loudness` has one value from 0 (silence) to 1 (as loud as speech gets) for each 40 ms of it, the last for what is
    left; empty for a client that did not ask for it with `mouth`.
    """

    speech_id: str
    turn_id: str
    pcm: bytes = field(repr=lambda pcm: f"<{len(pcm)} bytes>")
    loudness: tuple[float, ...] = ()


@frozen
class UserActivity:
    interrupted_speech_id: str | None


@frozen
class TurnEnd:
    """On the wire `system` with `data: "turn end"`."""

    turn_id: str
    interrupted: bool
    data: Literal["turn end"] = "turn end"


@frozen
class Emotion:
    emotion: str
    turn_id: str


@frozen
class Translation:
    text: str = field(repr=False)
    language: str
    turn_id: str


@frozen
class Status:
    """What happened and what to do. On the wire `message` is a JSON string, and `code` stands beside it."""

    code: StatusCode
    details: str


@frozen
class SessionSwapped:
    """Honest numbers of one hot-swap."""

    reason: str
    old: str
    new: str
    gap_ms: float
    lost_ms: float
    state_restored: bool


@frozen
class AgentNotification:
    text: str
    source: str
    status: str


@frozen
class AgentTaskUpdate:
    task: dict[str, Any]


@frozen
class AgentStatusUpdate:
    snapshot: dict[str, Any]


@frozen
class CharacterSwitched:
    """On the wire `catgirl_switched`: reconnect to the other one."""

    new_character: str
    old_character: str


@frozen
class AutoCloseMic:
    pass


@frozen
class RepetitionWarning:
    pass


@frozen
class ReloadPage:
    pass


@frozen
class ResponseDiscarded:
    pass


@frozen
class Pong:
    received: int | None = None
    """How many frames of this client were read until its ping, over the connections that it resumed; each `resume` is
    left out. What it sent after those has not arrived, so that after a `resume` it knows what to send again."""


ServerMessage = (
    SessionPreparing
    | SessionStarted
    | SessionFailed
    | SessionEndedByServer
    | UserTranscript
    | ReplyText
    | AudioChunk
    | UserActivity
    | TurnEnd
    | Emotion
    | Translation
    | Status
    | SessionSwapped
    | AgentNotification
    | AgentTaskUpdate
    | AgentStatusUpdate
    | CharacterSwitched
    | AutoCloseMic
    | RepetitionWarning
    | ReloadPage
    | ResponseDiscarded
    | Pong
)

TYPES: dict[type[Any], str] = {
    SessionPreparing: "session_preparing",
    SessionStarted: "session_started",
    SessionFailed: "session_failed",
    SessionEndedByServer: "session_ended_by_server",
    UserTranscript: "user_transcript",
    ReplyText: "gemini_response",
    AudioChunk: "audio_chunk",
    UserActivity: "user_activity",
    TurnEnd: "system",
    Emotion: "emotion",
    Translation: "translation",
    Status: "status",
    SessionSwapped: "neko.session_swapped",
    AgentNotification: "agent_notification",
    AgentTaskUpdate: "agent_task_update",
    AgentStatusUpdate: "agent_status_update",
    CharacterSwitched: "catgirl_switched",
    AutoCloseMic: "auto_close_mic",
    RepetitionWarning: "repetition_warning",
    ReloadPage: "reload_page",
    ResponseDiscarded: "response_discarded",
    Pong: "pong",
}
