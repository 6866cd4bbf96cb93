"""`stream_data` narrowed to what it carries, with the bounds of each kind."""

from __future__ import annotations

from array import array
from binascii import Error as Base64Error
from typing import Any, assert_never

import pybase64

from neko.protocol.client import InputType, Microphone, Picture, StreamData, TypedText
from neko.protocol.errors import StatusCode, WireError

FULL_BAND_FRAME = 480  # samples; N.E.K.O. clients send 10 ms at 48 kHz without saying so
FULL_BAND_HZ = 48_000
DEFAULT_MIC_HZ = 16_000
MIC_HZ = range(8_000, 96_001)  # telephone to studio; soxr takes any of them
MAX_AUDIO_S = 10  # one frame; longer is a file, not a microphone
MAX_TEXT = 100_000  # characters; ten times the longest context that a model here takes
MAX_PICTURE = 3 * 1024 * 1024  # characters of the URL; a 4K screenshot as JPEG is below 2 MiB
BYTES_PER_SAMPLE = 2


def narrow(frame: StreamData) -> Microphone | TypedText | Picture:
    """What the frame carries. Raises `WireError` naming what is wrong and what is accepted."""
    match frame.input_type:
        case InputType.AUDIO:
            return sound(frame.data, frame.sample_rate, frame.language)
        case InputType.TEXT:
            return _text(frame)
        case InputType.SCREEN | InputType.CAMERA:
            return _picture(frame)
        case _:
            assert_never(frame.input_type)


def microphone(pcm: bytes, sample_rate: int, language: str | None = None) -> Microphone:
    """PCM16 mono as one value. Raises `WireError` for odd length, a strange rate or more than ten seconds."""
    if sample_rate not in MIC_HZ:
        raise WireError(StatusCode.INVALID_AUDIO, f"sample_rate must be {MIC_HZ.start} to {MIC_HZ.stop - 1} Hz")
    if len(pcm) % BYTES_PER_SAMPLE:
        raise WireError(StatusCode.INVALID_AUDIO, f"{len(pcm)} bytes are no whole number of 16-bit samples")
    if len(pcm) > MAX_AUDIO_S * sample_rate * BYTES_PER_SAMPLE:
        raise WireError(StatusCode.MESSAGE_TOO_BIG, f"one frame carries at most {MAX_AUDIO_S} s of audio")
    return Microphone(pcm=pcm, sample_rate=sample_rate, language=language)


def check_rate(sample_rate: int) -> None:
    """Raises `WireError` for a rate that no microphone has."""
    microphone(b"", sample_rate)


def sound(data: Any, rate: int | None, language: str | None = None) -> Microphone:
    """The same of integers or base64; the rate, where nobody says it, is that of who sends such frames."""
    pcm = _samples(data)
    if rate is None:
        rate = FULL_BAND_HZ if len(pcm) == FULL_BAND_FRAME * BYTES_PER_SAMPLE else DEFAULT_MIC_HZ
    return microphone(pcm, rate, language)


def _samples(data: Any) -> bytes:
    try:
        # array speaks the machine's byte order; every machine that the wheels of soxr exist for is little-endian.
        return pybase64.b64decode(data, validate=True) if isinstance(data, str) else array("h", data).tobytes()
    except (TypeError, ValueError, OverflowError, Base64Error):
        raise WireError(
            StatusCode.INVALID_AUDIO, "data must be a list of 16-bit integers or base64 of PCM16 little-endian mono"
        ) from None


def check_size(text: str | None) -> None:
    """Raises `WireError` for a text that no model here could take in."""
    if text is not None and len(text) > MAX_TEXT:
        raise WireError(StatusCode.MESSAGE_TOO_BIG, f"a text has at most {MAX_TEXT:,} characters")


def _text(frame: StreamData) -> TypedText:
    if not isinstance(frame.data, str) or not frame.data.strip():
        raise WireError(StatusCode.INVALID_VALUE, "data is wrong; accepted: a string with something in it")
    check_size(frame.data)
    return TypedText(text=frame.data, request_id=frame.request_id, language=frame.language)


def _picture(frame: StreamData) -> Picture:
    if isinstance(frame.data, str) and len(frame.data) > MAX_PICTURE:
        raise WireError(StatusCode.MESSAGE_TOO_BIG, f"a picture has at most {MAX_PICTURE:,} bytes")
    if not _is_picture(frame.data):
        raise WireError(StatusCode.INVALID_VALUE, "data is wrong; accepted: a data:image/…;base64, URL")
    return Picture(url=frame.data, source=frame.input_type, language=frame.language)


def _is_picture(data: Any) -> bool:
    if not isinstance(data, str) or not data.startswith("data:image/"):
        return False
    _, found, encoded = data.partition(";base64,")
    try:
        return bool(found) and bool(pybase64.b64decode(encoded, validate=True))
    except (ValueError, Base64Error):
        return False
