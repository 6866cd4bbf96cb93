"""Frames to values and back: the only place where the JSON of the agents' wire is read or written."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import orjson
from cattrs import ClassValidationError
from cattrs.gen import make_dict_unstructure_fn, override

from neko.protocol.agents.events import NEWS, AnalyzeRequest, SessionEvent, SessionSwapped
from neko.protocol.agents.reports import REPORTS, Delivery, Report, TaskStatus
from neko.protocol.converter import describe, strict_converter

MOST_BYTES = 64 * 1024  # of a frame; a result is read out, and an update shown: no document
ABOUT = 80  # characters of a wrong value that an error may repeat


class Refusal(StrEnum):
    """Why a frame is not taken."""

    NOT_JSON = "not_json"
    TOO_LARGE = "too_large"
    UNKNOWN_TYPE = "unknown_type"
    WRONG = "wrong"  # a field is missing, or not what it should be
    EMPTY = "empty"  # a result that says nothing
    UNKNOWN_CHARACTER = "unknown_character"


class RefusedReport(Exception):
    """One frame cannot be used. It ends that frame, and nothing else."""

    def __init__(self, refusal: Refusal, details: str) -> None:
        super().__init__(f"{refusal}: {details}")
        self.refusal = refusal
        self.details = details


_converter = strict_converter(Delivery, TaskStatus)
_converter.register_unstructure_hook(
    SessionSwapped,
    make_dict_unstructure_fn(SessionSwapped, _converter, old=override(rename="from"), new=override(rename="to")),
)


def read_report(frame: bytes) -> tuple[str, Report]:
    """The event type of a frame, and what it says.

    Raises:
        RefusedReport: why, and one sentence for whoever wrote the agent.
    """
    if len(frame) > MOST_BYTES:
        raise RefusedReport(Refusal.TOO_LARGE, f"{len(frame):,} bytes; accepted: {MOST_BYTES:,}")
    try:
        raw = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise RefusedReport(Refusal.NOT_JSON, f"the frame is not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise RefusedReport(Refusal.NOT_JSON, "the frame is JSON, but no object")
    kind = raw.get("event_type")
    if not isinstance(kind, str) or kind not in REPORTS:
        accepted = ", ".join(REPORTS)
        raise RefusedReport(Refusal.UNKNOWN_TYPE, f"event_type is {str(kind)[:ABOUT]!r}; accepted: {accepted}")
    try:
        return kind, _converter.structure(raw, REPORTS[kind])
    except ClassValidationError as error:
        raise RefusedReport(Refusal.WRONG, f"{kind}: {describe(error).details}") from None


def write_event(event: SessionEvent) -> bytes:
    return orjson.dumps({"event_type": NEWS[type(event.data)]} | _unstructured(event))


def write_request(request: AnalyzeRequest) -> bytes:
    return orjson.dumps({"event_type": "analyze_request"} | _unstructured(request))


def _unstructured(value: Any) -> dict[str, Any]:
    raw: dict[str, Any] = _converter.unstructure(value)
    return raw
