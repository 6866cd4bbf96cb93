"""Golden transcripts of Qwen, GLM and Step: the frames that a session sends, and what it makes of the vendors' own.

Sources of the shapes, as of November 2026: Qwen: alibabacloud.com/help/en/model-studio/client-events and
…/server-events. GLM: GLM-Realtime-doc-for-llm.md and python/rtclient/models.py in github.com/MetaGLM/glm-realtime-sdk.
Step: platform.stepfun.com/docs/zh/api-reference/realtime/chat.md and github.com/stepfun-ai/Step-Realtime-Console.
"""

from __future__ import annotations

from typing import Any

import pytest

from neko.protocol.errors import StatusCode
from neko.realtime.dialects.base import Setup
from neko.realtime.dialects.beta import BetaDialect
from neko.realtime.dialects.glm import GlmDialect
from neko.realtime.dialects.qwen import QwenDialect
from neko.realtime.dialects.step import StepDialect
from neko.realtime.session import (
    AudioDelta,
    Complaint,
    GoOn,
    Hear,
    Interrupt,
    Line,
    ModelCommand,
    ModelEvent,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    Say,
    See,
    SpeechStarted,
    SpeechStopped,
    Tell,
    TextDelta,
    Tool,
    ToolCalled,
    ToolResult,
    UserSaid,
)

Frame = dict[str, Any]

SKY = Tool("sky", "What is above", {"type": "object"})
FLAT = {"type": "function", "name": "sky", "description": "What is above", "parameters": {"type": "object"}}
NESTED = {"type": "function", "function": {key: FLAT[key] for key in ("name", "description", "parameters")}}
SETUP = Setup("You are Mimi.", "Cherry", "en", "model-1", [Line("system", "It rains."), Line("user", "Hi")], [SKY])
PLAY: tuple[ModelCommand, ...] = (
    Hear(b"\1\0\2\0"),
    See("data:image/jpeg;base64,/9g="),
    Say("Hello", "q1"),
    Say("Hello?", "q2"),
    Interrupt("resp_2", "item_2", running=True, heard_ms=40, heard_text="I am"),
    Interrupt("resp_1", "item_1", running=False, heard_ms=40, heard_text=""),
    Tell("Tea!"),
    ToolResult("call_1", "sky", "{}"),
    GoOn(),
)
RESPOND = {"type": "response.create"}
CANCEL = {"type": "response.cancel"}
HEAR = {"type": "input_audio_buffer.append", "audio": "AQACAA=="}
SO_FAR = "You are Mimi.\n\nThe conversation until now, which you go on with:\nIt rains."


def said(role: str, text: str, kind: str = "input_text") -> Frame:
    item = {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}
    return {"type": "conversation.item.create", "item": item}


def result(**call: str) -> Frame:
    return {"type": "conversation.item.create", "item": {"type": "function_call_output", **call, "output": "{}"}}


QWEN_SESSION = {
    "modalities": ["text", "audio"],
    "instructions": f"{SO_FAR}\nuser: Hi",
    "turn_detection": {"type": "server_vad"},
    "voice": "Cherry",
    "tools": [NESTED],
    "input_audio_format": "pcm",
    "output_audio_format": "pcm",
}
GLM_SESSION = QWEN_SESSION | {
    "model": "model-1",
    "tools": [FLAT],
    "input_audio_format": "pcm16",
    "beta_fields": {"chat_mode": "audio"},
}
STEP_SESSION = QWEN_SESSION | {
    "instructions": SO_FAR,
    "input_audio_format": "pcm16",
    "output_audio_format": "pcm16",
    "input_audio_transcription": {"model": "whisper-1"},
}
TYPED = [said("user", "Hello"), RESPOND, CANCEL, said("user", "Hello?"), RESPOND]
NEWS = [said("user", "Tea!"), RESPOND]

SENT: dict[type[BetaDialect], list[Frame]] = {
    QwenDialect: [
        {"type": "session.update", "session": QWEN_SESSION},
        HEAR,
        {"type": "input_image_buffer.append", "image": "/9g="},
        *TYPED,
        *NEWS,
        result(call_id="call_1"),
        RESPOND,
        RESPOND,
    ],
    GlmDialect: [
        {"type": "session.update", "session": GLM_SESSION},
        HEAR,
        {"type": "session.update", "session": GLM_SESSION | {"beta_fields": {"chat_mode": "video_passive"}}},
        {"type": "input_audio_buffer.append_video_frame", "video_frame": "/9g="},
        *TYPED,
        *NEWS,
        result(),
        RESPOND,
        RESPOND,
    ],
    StepDialect: [
        {"type": "session.update", "session": STEP_SESSION},
        said("user", "Hi"),
        HEAR,
        *TYPED,
        {"type": "conversation.item.delete", "item_id": "item_2"},
        said("assistant", "I am", "text"),
        {"type": "conversation.item.delete", "item_id": "item_1"},
        *NEWS,
        result(call_id="call_1"),
        RESPOND,
        RESPOND,
    ],
}


@pytest.mark.parametrize("kind", SENT)
def test_what_is_sent(kind: type[BetaDialect]) -> None:
    """Of the interrupted replies no vendor has said anything, so there is nothing to cancel."""
    dialect = kind()
    frames = list(dialect.open(SETUP))
    for command in PLAY:
        frames += dialect.write(command)
    assert frames == SENT[kind]


WHERE = {"output_index": 0, "content_index": 0}
IN_RESPONSE = {"event_id": "event_7", "response_id": "resp_1", "item_id": "item_2", **WHERE}
MESSAGE = {"id": "item_1", "object": "realtime.item", "type": "message", "status": "completed", "role": "user"}
USAGE = {"total_tokens": 377, "input_tokens": 336, "output_tokens": 41}

Told = list[tuple[Frame, list[ModelEvent]]]

QWEN_TOLD: Told = [
    ({"event_id": "event_1", "type": "session.created", "session": {"id": "sess_1", "voice": "Cherry"}}, []),
    ({"event_id": "event_2", "type": "session.updated", "session": {"id": "sess_1", "voice": "Cherry"}}, []),
    (
        {"type": "input_audio_buffer.speech_started", "audio_start_ms": 3647, "item_id": "item_1"},
        [SpeechStarted()],
    ),
    (
        {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 4453, "item_id": "item_1"},
        [SpeechStopped(4453)],
    ),
    ({"type": "input_audio_buffer.committed", "item_id": "item_1"}, []),
    ({"type": "conversation.item.created", "item": MESSAGE | {"content": [{"type": "input_audio"}]}}, []),
    (
        {
            "type": "conversation.item.input_audio_transcription.completed",
            "item_id": "item_1",
            "content_index": 0,
            "transcript": "喂，你好。",
        },
        [UserSaid("喂，你好。")],
    ),
    (
        {
            "type": "response.created",
            "response": {"id": "resp_1", "object": "realtime.response", "status": "in_progress", "output": []},
        },
        [ReplyStarted("resp_1")],
    ),
    ({"type": "response.output_item.added", "response_id": "resp_1", "output_index": 0, "item": MESSAGE}, []),
    ({"type": "response.content_part.added", **IN_RESPONSE, "part": {"type": "audio", "text": ""}}, []),
    ({"type": "response.audio_transcript.delta", **IN_RESPONSE, "delta": "有什么"}, [TextDelta("resp_1", "有什么")]),
    (
        {"type": "response.audio.delta", **IN_RESPONSE, "delta": "AQACAA=="},
        [AudioDelta("resp_1", "item_2", b"\1\0\2\0")],
    ),
    ({"type": "response.audio.done", **IN_RESPONSE}, []),
    ({"type": "response.audio_transcript.done", **IN_RESPONSE, "transcript": "有什么"}, []),
    (
        {
            "type": "response.function_call_arguments.done",
            **IN_RESPONSE,
            "call_id": "call_1",
            "name": "sky",
            "arguments": "{}",
        },
        [ToolCalled("call_1", "sky", "{}")],
    ),
    (
        {"type": "response.done", "response": {"id": "resp_1", "status": "completed", "output": [], "usage": USAGE}},
        [ReplyDone("resp_1", ReplyStatus.COMPLETED)],
    ),
    # To cancel when nothing is being said: what the endpoint answers, without a code.
    (
        {
            "type": "error",
            "error": {"type": "invalid_request_error", "code": "", "message": "Conversation has none active response"},
        },
        [],
    ),
    (
        {
            "type": "error",
            "error": {"type": "invalid_request_error", "code": "invalid_value", "message": "No.", "param": "session"},
        },
        [Complaint(StatusCode.API_UNKNOWN_ERROR, "No.")],
    ),
]

GLM_TOLD: Told = [
    ({"event_id": "", "type": "session.created", "session": {"id": "sess_1"}}, []),
    ({"event_id": "", "type": "session.updated", "session": {"turn_detection": {"type": "server_vad"}}}, []),
    ({"type": "heartbeat"}, []),
    ({"event_id": "event_1", "type": "input_audio_buffer.speech_started"}, [SpeechStarted()]),
    ({"event_id": "event_2", "type": "input_audio_buffer.speech_stopped"}, [SpeechStopped()]),
    ({"event_id": "event_3", "type": "input_audio_buffer.committed", "item_id": "item_1"}, []),
    (
        {
            "type": "conversation.item.input_audio_transcription.completed",
            "item_id": "item_1",
            "transcript": "讲个笑话",
        },
        [UserSaid("讲个笑话")],
    ),
    (
        {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}},
        [ReplyStarted("resp_1")],
    ),
    # Sound without an item, and words that come a second time as text.
    (
        {"type": "response.audio_transcript.delta", "response_id": "resp_1", **WHERE, "delta": "观众"},
        [TextDelta("resp_1", "观众")],
    ),
    ({"type": "response.text.delta", "response_id": "resp_1", **WHERE, "delta": "观众"}, []),
    (
        {
            "type": "response.audio.delta",
            "client_timestamp": 1737454096061,
            "response_id": "resp_1",
            **WHERE,
            "delta": "AQA=",
        },
        [AudioDelta("resp_1", "resp_1", b"\1\0")],
    ),
    # A call without an id.
    (
        {
            "type": "response.function_call_arguments.done",
            "response_id": "resp_1",
            "output_index": 2,
            "name": "sky",
            "arguments": "{}",
        },
        [ToolCalled("resp_1.2", "sky", "{}")],
    ),
    (
        {"type": "response.done", "response": {"id": "resp_1", "status": "cancelled"}},
        [ReplyDone("resp_1", ReplyStatus.CANCELLED)],
    ),
    ({"type": "response.created", "response": {"id": "resp_2", "status": "in_progress"}}, [ReplyStarted("resp_2")]),
    ({"type": "response.text.delta", "response_id": "resp_2", **WHERE, "delta": "好"}, [TextDelta("resp_2", "好")]),
    ({"type": "response.audio_transcript.delta", "response_id": "resp_2", **WHERE, "delta": "好"}, []),
    (
        {"type": "response.done", "response": {"id": "resp_2", "status": "incomplete"}},
        [ReplyDone("resp_2", ReplyStatus.COMPLETED)],
    ),
]

STEP_TOLD: Told = [
    ({"type": "session.created", "session": {"id": "sess_1", "model": "stepaudio-2.5-realtime"}}, []),
    ({"type": "session.updated", "session": {"id": "sess_1", "input_audio_format": "pcm16"}}, []),
    (
        {"type": "input_audio_buffer.speech_started", "audio_start_ms": 100, "item_id": "item_1"},
        [SpeechStarted()],
    ),
    (
        {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 900, "item_id": "item_1"},
        [SpeechStopped(900)],
    ),
    ({"type": "conversation.item.created", "item": MESSAGE | {"content": [{"type": "input_audio"}]}}, []),
    ({"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}}, [ReplyStarted("resp_1")]),
    ({"type": "response.audio_transcript.delta", **IN_RESPONSE, "delta": "你好"}, [TextDelta("resp_1", "你好")]),
    ({"type": "response.audio.delta", **IN_RESPONSE, "delta": "AQA="}, [AudioDelta("resp_1", "item_2", b"\1\0")]),
    ({"type": "conversation.item.truncated", "item_id": "item_2", "audio_end_ms": 40}, []),
    (
        {"type": "response.done", "response": {"id": "resp_1", "status": "failed"}},
        [ReplyDone("resp_1", ReplyStatus.FAILED)],
    ),
]

TOLD = {QwenDialect: QWEN_TOLD, GlmDialect: GLM_TOLD, StepDialect: STEP_TOLD}


@pytest.mark.parametrize("kind", TOLD)
def test_what_is_understood(kind: type[BetaDialect]) -> None:
    dialect = kind()
    frames = list(dialect.open(SETUP))
    assert frames
    opened = [dialect.opened(frame) for frame, _ in TOLD[kind]]
    assert opened[:2] == [None, "sess_1"]
    assert set(opened[2:]) == {None}
    for frame, events in TOLD[kind]:
        assert dialect.failure(frame) is None
        assert list(dialect.read(frame)) == events


def begun(reply_id: str) -> Frame:
    return {"type": "response.created", "response": {"id": reply_id}}


def over(reply_id: str) -> Frame:
    return {"type": "response.done", "response": {"id": reply_id, "status": "cancelled"}}


def cut(reply_id: str) -> Interrupt:
    return Interrupt(reply_id, None, running=True, heard_ms=0, heard_text="")


@pytest.mark.parametrize("kind", TOLD)
def test_only_what_is_being_said_is_cancelled(kind: type[BetaDialect]) -> None:
    dialect = kind()
    dialect.read(begun("resp_1"))
    assert list(dialect.write(cut("resp_1"))) == [CANCEL]
    assert list(dialect.write(cut("resp_1"))) == []
    dialect.read(begun("resp_2"))
    assert list(dialect.write(cut("resp_1"))) == []
    dialect.read({"type": "response.audio_transcript.delta", "response_id": "resp_3", "delta": "unannounced"})
    assert list(dialect.write(cut("resp_3"))) == [CANCEL]
    dialect.read(over("resp_3"))
    assert CANCEL not in list(dialect.write(Say("So?")))


@pytest.mark.parametrize("kind", TOLD)
def test_words_make_room_for_their_answer(kind: type[BetaDialect]) -> None:
    dialect = kind()
    assert CANCEL not in list(dialect.write(Say("One")))
    assert CANCEL in list(dialect.write(Say("Two")))  # whether the first reply has begun or not
    dialect.read(begun("resp_1"))
    dialect.read(over("resp_1"))
    assert CANCEL in list(dialect.write(Say("Three")))
    dialect.read(begun("resp_2"))
    dialect.read(over("resp_2"))
    dialect.read(begun("resp_3"))
    assert CANCEL in list(dialect.write(Say("Four")))
    dialect.read(over("resp_3"))
    dialect.read({"type": "error", "error": {"code": "odd", "message": "The fourth is not taken."}})
    assert CANCEL not in list(dialect.write(Say("Five")))
