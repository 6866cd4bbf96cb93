"""A vendor whose Realtime API is OpenAI's, but for a header of its own and sessions of a quarter of an hour."""

from __future__ import annotations

from collections.abc import Mapping

from neko.realtime.dialects.openai import OpenAiDialect
from neko.realtime.dialects.vendor import Vendor

MAX_SESSION_S = 900.0


class ParrotDialect(OpenAiDialect):
    """One session's dialect. Its facts are what neko plans by: before the quarter of an hour is over, it swaps."""

    def __init__(self, *, speaks: bool = True, max_session_s: float | None = None) -> None:
        super().__init__(speaks=speaks, max_session_s=max_session_s or MAX_SESSION_S)

    def headers(self, api_key: str | None) -> Mapping[str, str]:
        return {"X-Parrot-Key": api_key} if api_key else {}


PARROT = Vendor(ParrotDialect, url="", model="polly-1")
