"""Every fact as OpenAI Realtime GA events."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from neko.testing.dialects import openai_shapes as shapes
from neko.testing.exchange import (
    Alive,
    Cleared,
    Committed,
    Configured,
    Event,
    Expired,
    Fact,
    GoingAway,
    HangUp,
    ItemAdded,
    ItemDeleted,
    ItemTruncated,
    Opened,
    Refused,
    Reply,
    ReplyArguments,
    ReplyEnded,
    ReplySound,
    ReplyStarted,
    ReplyWords,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a client got on 5 December 2025: github.com/pollen-robotics/reachy_mini_conversation_app/issues/134
LIFE_OVER = "Your session hit the maximum duration of 60 minutes."

Answered = ReplyStarted | ReplySound | ReplyWords | ReplyArguments | ReplyEnded


def events(fact: Fact, session: Event, asked: str | None) -> Iterator[Event | HangUp]:
    """The events that tell a fact, without their ids.

    Args:
        session: the session object as `session.created` and `session.updated` show it.
        asked: the id of the client's event that an error names.
    """
    match fact:
        case Opened():
            yield {"type": "session.created", "session": session}
        case Configured():
            yield {"type": "session.updated", "session": session}
        case SpeechStarted(item_id, at_ms):
            yield {"type": "input_audio_buffer.speech_started", "audio_start_ms": at_ms, "item_id": item_id}
        case SpeechStopped(item_id, at_ms):
            yield {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": at_ms, "item_id": item_id}
        case Committed(item_id, previous):
            yield {"type": "input_audio_buffer.committed", "previous_item_id": previous, "item_id": item_id}
            yield from shapes.item_added(shapes.heard_item(item_id), previous)
        case Cleared():
            yield {"type": "input_audio_buffer.cleared"}
        case Transcribed(item_id, text):
            yield from shapes.transcription(item_id, text)
        case ItemAdded(item, previous):
            yield from shapes.item_added({"object": "realtime.item", "status": "completed"} | item, previous)
        case ItemTruncated(item_id, audio_end_ms):
            yield shapes.truncated(item_id, audio_end_ms)
        case ItemDeleted(item_id):
            yield {"type": "conversation.item.deleted", "item_id": item_id}
        case ReplyStarted() | ReplySound() | ReplyWords() | ReplyArguments() | ReplyEnded():
            yield from _answering(fact)
        case Refused(code, message, param):
            yield shapes.error(code, message, param, asked)
        case Alive() | GoingAway():
            return
        case Expired():
            yield shapes.error("session_expired", LIFE_OVER, None, None)
            yield HangUp(1001, LIFE_OVER)
        case _:
            assert_never(fact)


def _answering(fact: Answered) -> Iterator[Event]:
    match fact:
        case ReplyStarted(reply, previous):
            yield from shapes.reply_started(reply, previous)
        case ReplySound(reply, _, pcm):
            yield shapes.sound(reply, pcm)
        case ReplyWords(reply, text):
            yield shapes.words(reply, text)
        case ReplyArguments(Reply(call=call) as reply, text):
            assert call is not None
            yield shapes.arguments(reply, call, text)
        case ReplyEnded(reply, ending):
            yield from shapes.reply_ended(reply, ending)
        case _:
            assert_never(fact)
