"""What became of one question to one step."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen


class Outcome(StrEnum):
    TRANSLATED = "translated"
    LATE = "late"
    FAILED = "failed"
    WRONG_LANGUAGE = "wrong_language"
    UNCHANGED = "unchanged"
    MISSING = "missing"


@frozen
class Result:
    """`answer` is there when it can be used; `why` says what is wrong, without the text."""

    outcome: Outcome
    why: str = ""
    answer: str | None = None
