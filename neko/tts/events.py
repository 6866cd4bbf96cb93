"""Server-sent events, as the vendors send sound in them: JSON objects, one for each event."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

import orjson

from neko.tts.errors import VoiceFailed, brief

LONGEST_LINE = 16 * 1024 * 1024  # bytes; some vendors send a whole sentence in one event: 250 s of PCM in base64
DONE = b"[DONE]"


def events(who: str, body: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """The objects of a stream, or of a plain JSON answer, which is how some vendors refuse. Raises `VoiceFailed`."""
    held = bytearray()
    for piece in body:
        held += piece
        *lines, rest = held.split(b"\n")
        held = bytearray(rest)
        if len(held) > LONGEST_LINE:
            raise VoiceFailed(who, f"sent an event of more than {LONGEST_LINE} bytes")
        for line in lines:
            yield from _event(who, bytes(line))
    yield from _event(who, bytes(held))


def _event(who: str, line: bytes) -> Iterator[dict[str, Any]]:
    data = line.strip().removeprefix(b"data:").strip()
    if data == DONE or not (line.startswith(b"data:") or data.startswith(b"{")):
        return
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError:
        event = None
    if not isinstance(event, dict):
        raise VoiceFailed(who, f"sent something that is no JSON object: {brief(data.decode(errors='replace'))!r}")
    yield event


def decoded(who: str, sound: str) -> bytes:
    """Sound in base64. Raises `VoiceFailed`."""
    try:
        return base64.b64decode(sound, validate=True)
    except binascii.Error as error:
        raise VoiceFailed(who, f"sent sound that is no base64 ({error})") from error
