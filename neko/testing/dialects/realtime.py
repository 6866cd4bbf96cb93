"""What OpenAI's Realtime API and its kin have in common: JSON text with a type, ids, and how errors are told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from binascii import Error as Base64Error
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

import orjson
import pybase64

from neko.testing.dialects.openai_events import events
from neko.testing.exchange import (
    AddItem,
    Answer,
    Cancel,
    Clear,
    Commit,
    Configure,
    DeleteItem,
    Event,
    Fact,
    HangUp,
    Hear,
    Refused,
    Request,
    Settings,
    TruncateItem,
    TurnDetection,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from neko.testing.dialects import Opening

DEFAULT_SILENCE_MS = 500  # what OpenAI's API reference documents for server_vad


class RealtimeDialect(ABC):
    """One session's codec; holds the session object that `session.update` changes."""

    hears_hz: ClassVar[int] = 24_000
    speaks_hz: ClassVar[int] = 24_000
    max_session_s: ClassVar[float | None] = None
    go_away_s: ClassVar[float | None] = None
    heartbeat_s: ClassVar[float | None] = None

    def __init__(self, opening: Opening, session: Event) -> None:
        self.session = session
        self._numbers = count(1)
        self._session_id = opening.session_id
        self._asked: str | None = None  # the event_id that an error names
        self._readers = self.readers()

    @property
    @abstractmethod
    def settings(self) -> Settings: ...

    @abstractmethod
    def change(self, changes: Event) -> Refused | None:
        """Applies the session object of a `session.update`, or says what is wrong with it."""

    def readers(self) -> dict[str, Callable[[Event], Request]]:
        """What each of the client's events asks for; raises KeyError for a missing parameter."""
        return {
            "session.update": self._update,
            "input_audio_buffer.append": self.hear,
            "input_audio_buffer.commit": lambda _: Commit(),
            "input_audio_buffer.clear": lambda _: Clear(),
            "conversation.item.create": lambda event: AddItem(_item(event["item"])),
            "conversation.item.truncate": lambda event: TruncateItem(event["item_id"], event["audio_end_ms"]),
            "conversation.item.delete": lambda event: DeleteItem(event["item_id"]),
            "response.create": lambda event: Answer(self.wants_speech(event.get("response") or {})),
            "response.cancel": lambda event: Cancel(event.get("response_id")),
        }

    def hear(self, event: Event) -> Hear | Refused:
        event["audio"] = pybase64.b64decode(event["audio"], validate=True)
        return Hear(event["audio"])

    def wants_speech(self, response: Event) -> bool | None:
        """What a `response.create` says of its own; None where the session's setting holds."""
        modalities = response.get("output_modalities")
        return None if modalities is None else "audio" in modalities

    def kind(self, event: Event) -> str:
        return str(event.get("type", ""))

    def frame(self, event: Event) -> str:
        return orjson.dumps(event).decode()

    def read(self, frame: str | bytes) -> tuple[Event, tuple[Request, ...]]:
        try:
            event = orjson.loads(frame)
        except orjson.JSONDecodeError:
            return {}, (Refused("invalid_json", "We could not parse the JSON of your event."),)
        if not isinstance(event, dict):
            return {}, (Refused("invalid_json", "An event is a JSON object."),)
        self._asked = event.get("event_id")
        return event, (self._request(event),)

    def write(self, fact: Fact) -> Iterator[Event | HangUp]:
        for event in self.tell(fact):
            yield event if isinstance(event, HangUp) else self._with_id(event)

    def tell(self, fact: Fact) -> Iterator[Event | HangUp]:
        """The events of a fact, without their ids."""
        return events(fact, self.session, self._asked)

    def _with_id(self, event: Event) -> Event:
        return {"type": event["type"], "event_id": f"event_{self._session_id}_{next(self._numbers)}"} | event

    def _request(self, event: Event) -> Request:
        reader = self._readers.get(self.kind(event))
        if reader is None:
            return unsupported("type", event.get("type"), self._readers)
        try:
            return reader(event)
        except KeyError as error:
            return Refused("missing_required_parameter", f"Missing required parameter: {error}.", str(error.args[0]))
        except (TypeError, AttributeError, Base64Error):
            return Refused("invalid_value", f"Invalid value in '{event['type']}'.")

    def _update(self, event: Event) -> Request:
        return self.change(event["session"]) or Configure(self.settings)


def unsupported(param: str, value: object, accepted: Any) -> Refused:
    choices = ", ".join(f"'{choice}'" for choice in accepted)
    return Refused("invalid_value", f"Invalid value: '{value}'. Supported values are: {choices}.", param)


def turn_detection(wanted: Event | None, silence_ms: int = DEFAULT_SILENCE_MS) -> TurnDetection | None:
    """`silence_ms` is the API's default."""
    if wanted is None:
        return None
    return TurnDetection(
        silence_ms=wanted.get("silence_duration_ms", silence_ms),
        creates_response=wanted.get("create_response", True),
        interrupts_response=wanted.get("interrupt_response", True),
    )


def merge(into: Event, changes: dict[str, Any]) -> None:
    """Objects are merged key by key, anything else is replaced: what `session.update` does."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def _item(item: Event) -> Event:
    if item["type"] == "function_call_output":
        return {**item, "call_id": item["call_id"], "output": item["output"]}
    return item
