"""Golden transcripts: what each provider says, as the events that it means; our commands, as the frames they become.

The files under `golden/realtime` are made from the providers' public documentation: each names its source. A value is
an object of one key, its type; sound is base64.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import attrs
import pytest

from neko.protocol.errors import StatusCode
from neko.realtime import session
from neko.realtime.dialects.base import Dialect, Setup
from neko.realtime.dialects.gemini import GeminiDialect
from neko.realtime.session import Line, ReplyStatus, Tool
from tests.kinds import KINDS, dialect_of

GOLDEN = Path(__file__).parent / "golden" / "realtime"
NOW = 1_790_000_000  # the wall clock of the files
READ_AS: dict[str, Any] = {"pcm": b64decode, "status": ReplyStatus, "code": StatusCode}


def golden(kind: str, name: str) -> dict[str, Any]:
    file: dict[str, Any] = json.loads((GOLDEN / kind.replace(" ", "-") / name).read_text(encoding="utf-8"))
    assert file["source"].startswith(("https://", "the package"))
    assert file["read"]
    return file


def setup(file: dict[str, Any]) -> Setup:
    raw = file["setup"]
    lines, tools = [Line(**line) for line in raw["lines"]], [Tool(**tool) for tool in raw["tools"]]
    return Setup(raw["instructions"], raw["voice"], raw["language"], raw["model"], lines, tools)


def value(raw: dict[str, dict[str, Any]]) -> Any:
    [(name, fields)] = raw.items()
    return getattr(session, name)(**{key: READ_AS.get(key, lambda as_is: as_is)(each) for key, each in fields.items()})


def told(event: Any, dialect: Dialect) -> dict[str, dict[str, Any]]:
    """As in the files; Google names neither sessions nor replies, so the ids are ours and begin by chance."""
    fields = attrs.asdict(event, recurse=False)
    if isinstance(dialect, GeminiDialect):
        chance = dialect._reading.id
        fields = {k: each.replace(chance, "gemini") if isinstance(each, str) else each for k, each in fields.items()}
    return {type(event).__name__: {k: b64encode(e).decode() if isinstance(e, bytes) else e for k, e in fields.items()}}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_provider_says(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)
    file, dialect = golden(kind, "told.json"), dialect_of(kind)
    assert list(dialect.open(setup(file)))
    for step in file["transcript"]:
        for command in step.get("after", []):
            list(dialect.write(value(command)))
        frame = step["frame"]
        failure = dialect.failure(frame)
        assert (type(failure).__name__ if failure else None) == step.get("ends"), frame
        if failure is None:
            opened = dialect.opened(frame)
            assert bool(opened) is step.get("opens", False), frame
            assert [told(event, dialect) for event in dialect.read(frame)] == step["events"], frame


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_is_told(kind: str) -> None:
    file, dialect = golden(kind, "sent.json"), dialect_of(kind)
    assert dialect.url(file["url"]["base"], file["setup"]["model"]) == file["url"]["dialled"]
    assert dialect.headers("KEY") == file["headers"]
    assert list(dialect.open(setup(file))) == file["opening"]
    for step in file["transcript"]:
        for frame in step.get("after", []):
            dialect.read(frame)
        assert list(dialect.write(value(step["command"]))) == step["frames"], step["command"]


def test_each_kind_has_its_transcripts_and_no_file_is_nobodys() -> None:
    assert {folder.name for folder in GOLDEN.iterdir()} == {kind.replace(" ", "-") for kind in KINDS}
    assert {file.name for file in GOLDEN.rglob("*.json")} == {"told.json", "sent.json"}
