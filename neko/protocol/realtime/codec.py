"""Frames to events and back: where the JSON of the Realtime protocol is read and written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from neko.protocol.realtime.client import CLIENT_TYPES, ClientEvent
from neko.protocol.realtime.converter import structure, unstructure
from neko.protocol.realtime.errors import InvalidRequest
from neko.protocol.realtime.server import SERVER_TYPES, ServerEvent

_ABOUT = 80  # characters of a wrong value that an error may repeat


def read_client(frame: str | bytes) -> ClientEvent:
    """The event in a client's frame.

    Raises:
        InvalidRequest: with the code, the sentence and, when it is known, the id for the `error` event.
    """
    raw = _object(frame)
    event_id = raw.get("event_id") if isinstance(raw.get("event_id"), str) else None
    try:
        event: ClientEvent = structure(raw, _class_of(raw))
    except InvalidRequest as wrong:
        raise InvalidRequest(wrong.code, wrong.message, wrong.param, event_id) from None
    return event


def write_server(event: ServerEvent, event_id: str) -> str:
    """The frame of a server's event."""
    return orjson.dumps({"type": SERVER_TYPES[type(event)], "event_id": event_id} | unstructure(event)).decode()


def _object(frame: str | bytes) -> dict[str, Any]:
    if isinstance(frame, bytes):
        raise InvalidRequest("invalid_frame", "Binary frames are not accepted; send JSON text.")
    try:
        raw = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest("invalid_json", f"The frame is not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise InvalidRequest("invalid_json", "The frame is JSON, but no object.")
    return raw


def _class_of(raw: Mapping[str, Any]) -> type[Any]:
    name = raw.get("type")
    if name is None:
        raise InvalidRequest("missing_required_parameter", "Missing required parameter: 'type'.", "type")
    cls = CLIENT_TYPES.get(name) if isinstance(name, str) else None
    if cls is None:
        said = f"Invalid value: {str(name)[:_ABOUT]!r}. Supported values are: {', '.join(CLIENT_TYPES)}."
        raise InvalidRequest("invalid_value", said, "type")
    return cls
