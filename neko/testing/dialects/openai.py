"""The OpenAI Realtime GA dialect, as https://platform.openai.com/docs/api-reference/realtime describes it."""

from __future__ import annotations

from binascii import Error as Base64Error
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, assert_never

import orjson
import pybase64

from neko.testing.dialects import openai_shapes as shapes
from neko.testing.exchange import (
    AddItem,
    Answer,
    Cancel,
    Clear,
    Cleared,
    Commit,
    Committed,
    Configure,
    Configured,
    DeleteItem,
    Event,
    Fact,
    Hear,
    ItemAdded,
    ItemDeleted,
    ItemTruncated,
    Opened,
    Refused,
    ReplyEnded,
    ReplySound,
    ReplyStarted,
    ReplyWords,
    Request,
    Settings,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    TruncateItem,
    TurnDetection,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEFAULT_SILENCE_MS = 500  # what the API reference documents for server_vad


class OpenAI:
    """One session's codec; holds the session object that `session.update` changes."""

    path: ClassVar[str] = "/v1/realtime"
    rate: ClassVar[int] = 24_000

    def __init__(self, session_id: str, model: str, expires_at: int) -> None:
        self._session = shapes.session(session_id, model, expires_at)
        self._numbers = count(1)
        self._session_id = session_id
        self._asked: str | None = None  # the event_id that an error names
        self._readers: dict[str, Callable[[Event], Request]] = {
            "session.update": self._update,
            "input_audio_buffer.append": _hear,
            "input_audio_buffer.commit": lambda _: Commit(),
            "input_audio_buffer.clear": lambda _: Clear(),
            "conversation.item.create": lambda event: AddItem(event["item"]),
            "conversation.item.truncate": lambda event: TruncateItem(event["item_id"], event["audio_end_ms"]),
            "conversation.item.delete": lambda event: DeleteItem(event["item_id"]),
            "response.create": lambda event: Answer(_speaks(event.get("response") or {})),
            "response.cancel": lambda _: Cancel(),
        }

    @property
    def settings(self) -> Settings:
        hearing = self._session["audio"]["input"]
        return Settings(
            turn_detection=_turn_detection(hearing["turn_detection"]),
            transcribes=hearing["transcription"] is not None,
            speaks="audio" in self._session["output_modalities"],
        )

    def read(self, frame: str | bytes) -> tuple[Event, Request]:
        try:
            event = orjson.loads(frame)
        except orjson.JSONDecodeError:
            return {}, Refused("invalid_json", "We could not parse the JSON of your event.")
        if not isinstance(event, dict):
            return {}, Refused("invalid_json", "An event is a JSON object.")
        self._asked = event.get("event_id")
        return event, self._request(event)

    def write(self, fact: Fact) -> Iterator[Event]:
        for event in self._tell(fact):
            yield {"type": event.pop("type"), "event_id": f"event_{self._session_id}_{next(self._numbers)}"} | event

    def expired(self) -> Iterator[Event]:
        self._asked = None
        return self.write(Refused("session_expired", "Your session hit the maximum duration of 60 minutes."))

    def _request(self, event: Event) -> Request:
        reader = self._readers.get(str(event.get("type")))
        if reader is None:
            accepted = ", ".join(f"'{kind}'" for kind in self._readers)
            message = f"Invalid value: '{event.get('type')}'. Supported values are: {accepted}."
            return Refused("invalid_value", message, "type")
        try:
            return reader(event)
        except KeyError as error:
            return Refused("missing_required_parameter", f"Missing required parameter: {error}.", str(error.args[0]))
        except (TypeError, AttributeError, Base64Error):
            return Refused("invalid_value", f"Invalid value in '{event['type']}'.")

    def _update(self, event: Event) -> Request:
        changes = event["session"]
        if changes.get("type") != "realtime":
            return Refused("missing_required_parameter", "Missing required parameter: 'session.type'.", "session.type")
        _merge(self._session, changes)
        return Configure(self.settings)

    def _tell(self, fact: Fact) -> Iterator[Event]:
        match fact:
            case Opened():
                yield {"type": "session.created", "session": self._session}
            case Configured():
                yield {"type": "session.updated", "session": self._session}
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
            case ReplyStarted(reply, previous):
                yield from shapes.reply_started(reply, previous)
            case ReplySound(reply, _, pcm):
                yield shapes.sound(reply, pcm)
            case ReplyWords(reply, text):
                yield shapes.words(reply, text)
            case ReplyEnded(reply, ending):
                yield from shapes.reply_ended(reply, ending)
            case Refused(code, message, param):
                yield shapes.error(code, message, param, self._asked)
            case _:
                assert_never(fact)


def _hear(event: Event) -> Hear:
    event["audio"] = pybase64.b64decode(event["audio"], validate=True)
    return Hear(event["audio"])


def _speaks(response: Event) -> bool | None:
    modalities = response.get("output_modalities")
    return None if modalities is None else "audio" in modalities


def _turn_detection(wanted: Event | None) -> TurnDetection | None:
    if wanted is None:
        return None
    return TurnDetection(
        silence_ms=wanted.get("silence_duration_ms", DEFAULT_SILENCE_MS),
        creates_response=wanted.get("create_response", True),
        interrupts_response=wanted.get("interrupt_response", True),
    )


def _merge(into: Event, changes: dict[str, Any]) -> None:
    """Objects are merged key by key, anything else is replaced: what `session.update` does."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
