"""What an HTTP answer says beside its status: the vendor's words and code, and when to come back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any

import orjson

from neko.realtime.errors import Refusal
from neko.sockets.secrets import without_secrets

SAID = 300  # characters of a refusal's body worth repeating
PATIENCE_S = 3600.0  # whoever asks for a longer pause, or gives a date by a wrong clock, is asked again after that


def refusal(
    status: int,
    headers: Iterable[tuple[bytes | str, bytes | str]],
    body: bytes,
    sent: Iterable[tuple[str, str]],
) -> Refusal:
    """Reads an answer that refuses what was asked with the headers `sent`, whose keys it does not repeat.

    OpenAI's error object and the forms of its kin are understood.
    """
    named = {_text(name).lower(): _text(value) for name, value in headers}
    code, said = _error(body)
    said = without_secrets(said, sent)
    return Refusal(status, said[:SAID], code, retry_after_s(named.get("retry-after-ms"), named.get("retry-after")))


def retry_after_s(ms: str | None, after: str | None) -> float | None:
    """Seconds, from Azure's milliseconds or from RFC 9110, section 10.2.3: seconds or a date."""
    try:
        if ms is not None:
            wait_s = float(ms) / 1000
        elif after is None:
            return None
        elif after.strip().replace(".", "", 1).isdigit():
            wait_s = float(after)
        else:
            wait_s = (parsedate_to_datetime(after) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):  # a date without a zone is none of HTTP's
        return None
    return min(max(wait_s, 0.0), PATIENCE_S) if isfinite(wait_s) else None


def _error(body: bytes) -> tuple[str, str]:
    """Code and words."""
    try:
        raw = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "", body.decode(errors="replace")
    match raw:
        case {"error": {"message": str(said), **rest}} | {"message": str(said), **rest}:
            # OpenAI's insufficient_quota may stand as the type alone; xAI and DashScope have no type, Google a status.
            named = (rest.get("code"), rest.get("status"), rest.get("type"))
            return next((str(each) for each in named if each and not str(each).isdigit()), _number(rest)), said
        case {"error": str(said), **rest}:
            return str(rest.get("code") or ""), said
        case _:
            return "", str(raw)


def _number(rest: Mapping[Any, Any]) -> str:
    """Zhipu's codes are numbers."""
    return str(rest.get("code") or "")


def _text(raw: bytes | str) -> str:
    return raw if isinstance(raw, str) else raw.decode("latin-1")
