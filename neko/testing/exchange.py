"""What a client asks of a model and what the model answers, whatever the dialect: two unions of values."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from attrs import define, field, frozen

Event = dict[str, Any]
"""One JSON object of a dialect."""


@frozen
class TurnDetection:
    silence_ms: int
    creates_response: bool
    interrupts_response: bool


@frozen
class Settings:
    """What the model needs to know of a session's configuration; `tools` are the names that it may call."""

    turn_detection: TurnDetection | None
    transcribes: bool
    speaks: bool
    tools: frozenset[str]


# What a client asks.


@frozen
class Configure:
    settings: Settings


@frozen
class Hear:
    pcm: bytes = field(repr=lambda pcm: f"<{len(pcm)} bytes>")


@frozen
class Commit:
    pass


@frozen
class Clear:
    pass


@frozen
class EndOfSound:
    """The microphone was switched off: whoever was speaking has finished."""


@frozen
class See:
    """A picture; it is recorded and asks for nothing."""


@frozen
class AddItem:
    """`item` in OpenAI's shape, whatever the dialect."""

    item: Event


@frozen
class TruncateItem:
    item_id: str
    audio_end_ms: int


@frozen
class DeleteItem:
    item_id: str


@frozen
class Answer:
    """`speaks` is None where the session's own setting holds."""

    speaks: bool | None


@frozen
class Cancel:
    """Of the reply with this id, or of whichever is being given; refused when that is not being given."""

    response_id: str | None = None


@frozen
class Interrupt:
    """The person goes first: ends the reply that is being given, if there is one."""


# What the model answers.


class Ending(StrEnum):
    COMPLETED = "completed"
    CLIENT_CANCELLED = "client_cancelled"
    TURN_DETECTED = "turn_detected"
    RATE_LIMITED = "rate_limit_exceeded"


@frozen
class Call:
    """Which tool a reply calls, and what the call is known as."""

    call_id: str
    name: str


@define(eq=False)
class Reply:
    """One response; `said` and `spoken_ms` grow while it is given.

    With a `call` its text is the JSON of the arguments. One that is `refused` says nothing and ends RATE_LIMITED.
    """

    response_id: str
    item_id: str
    text: str
    speaks: bool
    call: Call | None = None
    refused: bool = False
    said: str = ""
    spoken_ms: int = 0


@frozen
class Opened:
    pass


@frozen
class Configured:
    pass


@frozen
class SpeechStarted:
    item_id: str
    at_ms: int


@frozen
class SpeechStopped:
    item_id: str
    at_ms: int


@frozen
class Committed:
    """The user's speech became an item of the conversation."""

    item_id: str
    previous: str | None


@frozen
class Cleared:
    pass


@frozen
class Transcribed:
    item_id: str
    text: str


@frozen
class ItemAdded:
    item: Event
    previous: str | None


@frozen
class ItemTruncated:
    item_id: str
    audio_end_ms: int


@frozen
class ItemDeleted:
    item_id: str


@frozen
class ReplyStarted:
    reply: Reply
    previous: str | None


@frozen
class ReplySound:
    """The next tagged blocks of a reply's speech."""

    reply: Reply
    blocks: range
    pcm: bytes = field(repr=lambda pcm: f"<{len(pcm)} bytes>")


@frozen
class ReplyWords:
    reply: Reply
    text: str


@frozen
class ReplyArguments:
    """The next piece of the JSON with which a tool is called."""

    reply: Reply
    text: str


@frozen
class ReplyEnded:
    reply: Reply
    ending: Ending


@frozen
class Alive:
    """The time of the dialect's heartbeat."""


@frozen
class GoingAway:
    """The session will end in so many seconds."""

    left_s: float


@frozen
class Expired:
    """The session's life is over."""


@frozen
class Refused:
    """What the client asked for cannot be done. The dialect also reads what it cannot understand as one."""

    code: str
    message: str
    param: str | None = None


@frozen
class HangUp:
    """A closing handshake: how some dialects tell a fact."""

    code: int
    reason: str = ""


Request = (
    Configure
    | Hear
    | Commit
    | Clear
    | EndOfSound
    | See
    | AddItem
    | TruncateItem
    | DeleteItem
    | Answer
    | Cancel
    | Interrupt
    | Refused
)
Fact = (
    Opened
    | Configured
    | SpeechStarted
    | SpeechStopped
    | Committed
    | Cleared
    | Transcribed
    | ItemAdded
    | ItemTruncated
    | ItemDeleted
    | ReplyStarted
    | ReplySound
    | ReplyWords
    | ReplyArguments
    | ReplyEnded
    | Alive
    | GoingAway
    | Expired
    | Refused
)
