"""Which replies are cancelled, where the vendor names no request: what is asked for makes room for what comes next."""

from __future__ import annotations

from typing import Any

import pytest

from neko.realtime.dialects.base import Dialect, Setup
from neko.realtime.session import Interrupt, Say
from tests.kinds import GA, KIN, dialect_of

Frame = dict[str, Any]

BETA = [kind for kind in KIN if kind not in GA]
CANCEL = {"type": "response.cancel"}


def opened(kind: str) -> Dialect:
    dialect = dialect_of(kind)
    assert list(dialect.open(Setup("You are Mimi.", "default", "en", "model-1")))
    return dialect


def begun(reply_id: str) -> Frame:
    return {"type": "response.created", "response": {"id": reply_id}}


def over(reply_id: str) -> Frame:
    return {"type": "response.done", "response": {"id": reply_id, "status": "cancelled"}}


def cut(reply_id: str) -> Interrupt:
    return Interrupt(reply_id, None, running=True, heard_ms=0, heard_text="")


@pytest.mark.parametrize("kind", BETA)
def test_only_what_is_being_said_is_cancelled(kind: str) -> None:
    dialect = opened(kind)
    dialect.read(begun("resp_1"))
    assert CANCEL in list(dialect.write(cut("resp_1")))
    assert list(dialect.write(cut("resp_1"))) == []
    dialect.read(begun("resp_2"))
    assert list(dialect.write(cut("resp_1"))) == []
    dialect.read({"type": "response.audio_transcript.delta", "response_id": "resp_3", "delta": "unannounced"})
    assert list(dialect.write(cut("resp_3"))) == [CANCEL]
    dialect.read(over("resp_3"))
    assert CANCEL not in list(dialect.write(Say("So?")))


@pytest.mark.parametrize("kind", BETA)
def test_words_make_room_for_their_answer(kind: str) -> None:
    dialect = opened(kind)
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
