"""What agents are told of conversations, and what they are asked to look into."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

from attrs import field, frozen

from neko.protocol.client import InputMode


@frozen
class SessionStarted:
    session_id: str
    input_mode: InputMode


@frozen
class SessionEnded:
    session_id: str
    reason: str


@frozen
class TurnEnd:
    """A reply is over; `text` is what the person was told of it."""

    session_id: str
    turn_id: str
    text: str = field(repr=False)
    interrupted: bool


@frozen
class UserTranscript:
    """What the person said, spoken or typed."""

    session_id: str
    text: str = field(repr=False)


@frozen
class SessionSwapped:
    """As the client is told; `old` and `new` are called `from` and `to` on the wire."""

    session_id: str
    reason: str
    old: str
    new: str
    gap_ms: float
    lost_ms: float


SessionNews = SessionStarted | SessionEnded | TurnEnd | UserTranscript | SessionSwapped

NEWS: dict[type[Any], str] = {
    SessionStarted: "session_started",
    SessionEnded: "session_ended",
    TurnEnd: "turn_end",
    UserTranscript: "user_transcript",
    SessionSwapped: "session_swapped",
}


def _new_id() -> str:
    return uuid4().hex


@frozen
class SessionEvent:
    """One piece of news about a character's session; `timestamp` is Unix time in seconds."""

    lanlan_name: str
    data: SessionNews
    event_id: str = field(factory=_new_id)
    timestamp: float = field(factory=time.time)


@frozen
class Message:
    """A line of the conversation as an agent reads it."""

    role: str
    content: str = field(repr=False)


@frozen
class AnalyzeRequest:
    """Whether there is something to do; an agent that gets it answers with `AnalyzeAck`."""

    lanlan_name: str
    conversation_id: str
    messages: tuple[Message, ...]
    trigger: str = "turn_end"
    event_id: str = field(factory=_new_id)
