"""Every fact as Gemini Live messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

import orjson
import pybase64

from neko.testing.exchange import (
    Alive,
    Call,
    Cleared,
    Committed,
    Configured,
    Ending,
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

# How it was told to a client in May 2026, see `neko.testing.dialects.gemini`; a close reason has at most 123 bytes.
LIFE_OVER = HangUp(
    1008, "Connection aborted because the client failed to close the connection after receiving a GoAway signal"
)
OVER_QUOTA = HangUp(1011, "You exceeded your current quota, please check your plan and billing details.")


def events(fact: Fact, *, captions: bool) -> Iterator[Event | HangUp]:
    """The messages that tell a fact. With `captions` the words of a spoken reply are told too."""
    match fact:
        case Configured():
            yield {"setupComplete": {}}
        case Transcribed(_, text):
            yield _content(inputTranscription={"text": text})
        case ReplySound(_, _, pcm):
            data = pybase64.b64encode_as_string(pcm)
            yield _content(modelTurn=_model({"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": data}}))
        case ReplyWords(reply, text):
            if not reply.speaks:
                yield _content(modelTurn=_model({"text": text}))
            elif captions:
                yield _content(outputTranscription={"text": text})
        case ReplyEnded(reply, ending):
            yield from _ended(reply, ending)
        case GoingAway(left_s):
            yield {"goAway": {"timeLeft": f"{left_s:g}s"}}
        case Expired():
            yield LIFE_OVER
        case Opened() | Alive() | SpeechStarted() | SpeechStopped() | Committed() | Cleared():
            return
        case ItemAdded() | ItemTruncated() | ItemDeleted() | ReplyStarted() | ReplyArguments() | Refused():
            return
        case _:
            assert_never(fact)


def _ended(reply: Reply, ending: Ending) -> Iterator[Event | HangUp]:
    match ending:
        case Ending.COMPLETED if reply.call is not None:
            yield {"toolCall": {"functionCalls": [_call(reply.call, reply.said)]}}
        case Ending.COMPLETED:
            yield _content(generationComplete=True)
            yield _content(turnComplete=True)
        case Ending.TURN_DETECTED | Ending.CLIENT_CANCELLED:
            yield _content(interrupted=True)
            yield _content(turnComplete=True)
        case Ending.RATE_LIMITED:
            yield OVER_QUOTA
        case _:
            assert_never(ending)


def _call(call: Call, arguments: str) -> Event:
    return {"id": call.call_id, "name": call.name, "args": orjson.loads(arguments)}


def _content(**fields: Any) -> Event:
    return {"serverContent": fields}


def _model(part: Event) -> Event:
    return {"role": "model", "parts": [part]}
