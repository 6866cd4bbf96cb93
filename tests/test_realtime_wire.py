"""Frames of the Realtime protocol: what is read, what is refused and why, what is written."""

from __future__ import annotations

from typing import Any, get_args

import orjson
import pytest

from neko.protocol.realtime.client import (
    CLIENT_TYPES,
    AudioAppend,
    ClientEvent,
    ItemCreate,
    ItemTruncate,
    ResponseCreate,
)
from neko.protocol.realtime.codec import read_client, write_server
from neko.protocol.realtime.content import ContentPart, ContentType, MessageItem, Role
from neko.protocol.realtime.converter import change
from neko.protocol.realtime.errors import InvalidRequest
from neko.protocol.realtime.server import (
    SERVER_TYPES,
    AudioDelta,
    Error,
    ErrorDetails,
    ItemAdded,
    ServerEvent,
    SessionCreated,
)
from neko.protocol.realtime.session import Modality, ServerVad, Session

SESSION = Session("sess_1", "local")


def written(event: ServerEvent) -> dict[str, Any]:
    raw: dict[str, Any] = orjson.loads(write_server(event, "event_1"))
    return raw


def test_every_event_has_one_name() -> None:
    assert set(CLIENT_TYPES.values()) == set(get_args(ClientEvent))
    assert set(SERVER_TYPES) == set(get_args(ServerEvent))
    assert len(set(SERVER_TYPES.values())) == len(SERVER_TYPES)


def test_reading() -> None:
    assert read_client('{"type": "input_audio_buffer.append", "audio": "AAEC", "new_field": 1}') == AudioAppend(
        b"\0\1\2"
    )
    assert read_client('{"type": "response.create", "event_id": "e"}') == ResponseCreate(event_id="e")
    assert read_client(
        '{"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": 5}'
    ) == ItemTruncate("i", 0, 5)
    assert read_client(
        '{"type": "conversation.item.create", "previous_item_id": "root", "item": {"type": "message", "role": "user",'
        ' "content": [{"type": "input_text", "text": "hi"}]}}'
    ) == ItemCreate(MessageItem(Role.USER, (ContentPart(ContentType.INPUT_TEXT, "hi"),)), "root")


@pytest.mark.parametrize(
    ("frame", "code", "param", "says"),
    [
        ('{"type": "input_audio_buffer.append"}', "missing_required_parameter", "audio", "'audio'"),
        ('{"type": "input_audio_buffer.append", "audio": "%"}', "invalid_value", "audio", "base64"),
        ('{"type": "session.update", "session": 3}', "invalid_value", "session", "expected an object"),
        ('{"type": "unheard.of"}', "invalid_value", "type", "session.update"),
        ('{"type": 3}', "invalid_value", "type", "session.update"),
        (
            '{"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": true}',
            "invalid_value",
            "audio_end_ms",
            "a whole number",
        ),
        (
            '{"type": "conversation.item.create", "item": {"role": "boss", "content": []}}',
            "invalid_value",
            "item.role",
            "'system', 'user', 'assistant'",
        ),
        (
            '{"type": "conversation.item.create", "item": {"role": "user", "content": [{"type": "input_image"}]}}',
            "invalid_value",
            "item.content.0.type",
            "'input_text'",
        ),
        (
            '{"type": "conversation.item.create", "item": {"type": "function_call", "role": "user", "content": []}}',
            "invalid_value",
            "item.type",
            "'message'",
        ),
        (
            '{"type": "response.create", "response": {"conversation": "none"}}',
            "invalid_value",
            "response.conversation",
            "auto",
        ),
    ],
)
def test_refusing(frame: str, code: str, param: str, says: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_client(frame.replace("{", '{"event_id": "mine", ', 1))
    assert (refused.value.code, refused.value.param, refused.value.event_id) == (code, param, "mine")
    assert says in refused.value.message


def test_a_session_is_changed_and_not_replaced() -> None:
    text = change(SESSION, {"instructions": "Be Yui.", "output_modalities": ["text"], "id": "mine", "model": "other"})
    assert (text.id, text.model, text.instructions, text.modality) == ("sess_1", "local", "Be Yui.", Modality.TEXT)
    manual = change(text, {"audio": {"input": {"turn_detection": None}}})
    assert manual.audio.input.turn_detection is None
    assert manual.instructions == "Be Yui."
    again = change(manual, {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.3}}}})
    assert again.audio.input.turn_detection == ServerVad(threshold=0.3)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"instructions": None}, "session.instructions"),
        ({"type": "transcription"}, "session.type"),
        ({"output_modalities": ["audio", "text"]}, "session"),
        ({"audio": {"input": {"format": {"rate": 8000}}}}, "session.audio.input.format.rate"),
        ({"audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}}, "session.audio.input.turn_detection.type"),
        ({"audio": {"input": {"turn_detection": {"threshold": 2}}}}, "session.audio.input.turn_detection"),
        ({"audio": {"output": {"voice": 3}}}, "session.audio.output.voice"),
        ({"audio": 4}, "session.audio"),
    ],
)
def test_a_session_that_cannot_be(changes: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        change(SESSION, changes)
    assert refused.value.param == param


def test_writing() -> None:
    assert written(AudioDelta(response_id="r", item_id="i", delta=b"\0\1\2")) == {
        "type": "response.output_audio.delta",
        "event_id": "event_1",
        "response_id": "r",
        "item_id": "i",
        "output_index": 0,
        "content_index": 0,
        "delta": "AAEC",
    }
    heard = MessageItem(Role.USER, (ContentPart(ContentType.INPUT_AUDIO),), "item_1")
    assert written(ItemAdded(heard, None)) == {
        "type": "conversation.item.added",
        "event_id": "event_1",
        "previous_item_id": None,
        "item": {
            "id": "item_1",
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio"}],
        },
    }
    assert written(Error(ErrorDetails("invalid_request_error", "invalid_json", "no", None, "mine")))["error"] == {
        "type": "invalid_request_error",
        "code": "invalid_json",
        "message": "no",
        "param": None,
        "event_id": "mine",
    }
    session = written(SessionCreated(SESSION))["session"]
    assert session["object"] == "realtime.session"
    assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
