"""Frames to values and back: the only place where the JSON of the character protocol is read or written."""

from __future__ import annotations

from typing import Any

import orjson
import pybase64
from cattrs import ClassValidationError

from neko.protocol.client import (
    ACTIONS,
    AudioFraming,
    ClientFrame,
    ClientMessage,
    InputType,
    MicFormat,
    Microphone,
    StreamData,
    SwapSession,
)
from neko.protocol.converter import build_converter, describe
from neko.protocol.errors import StatusCode, WireError
from neko.protocol.server import TYPES, AudioChunk, Pong, ServerMessage
from neko.protocol.stream import DEFAULT_MIC_HZ, check_rate, check_size, microphone, narrow, sound

SPEECH_HZ = 48_000  # what every client plays
MAX_FRAME = 4 * 1024 * 1024  # bytes; over this the socket closes with 1009
_ABOUT = 80  # characters of a wrong value that an error may repeat

STREAM_DATA = next(name for name, cls in ACTIONS.items() if cls is StreamData)
OF_A_MICROPHONE = {"action", "input_type", "data", "sample_rate"}  # all that a frame of sound needs

_converter = build_converter()


class ClientCodec:
    """Reads one client's frames; remembers the rate that its `mic_format` named for the binary ones."""

    def __init__(self) -> None:
        self._mic_hz = DEFAULT_MIC_HZ

    def read(self, frame: str | bytes) -> ClientMessage:
        """The message in a text or binary frame.

        Raises:
            WireError: with the status code and one sentence for the client.
        """
        if isinstance(frame, bytes):
            return microphone(frame, self._mic_hz)
        message = _structure(frame)
        if isinstance(message, Microphone):
            return message
        if isinstance(message, StreamData):
            return narrow(message)
        if isinstance(message, SwapSession):
            check_size(message.prompt)
        if isinstance(message, MicFormat):
            check_rate(message.sample_rate)
            self._mic_hz = message.sample_rate
        return message  # type: ignore[return-value]  # the ClientFrames left are the union


def _structure(frame: str) -> ClientFrame | Microphone:
    try:
        raw = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise WireError(StatusCode.INVALID_JSON, f"the frame is not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise WireError(StatusCode.INVALID_JSON, "the frame is JSON, but no object")
    action = raw.get("action")
    if action == STREAM_DATA and raw.keys() <= OF_A_MICROPHONE and raw.get("input_type") == InputType.AUDIO:
        # Fifty times a second; a wrong value goes the long way, where it is explained.
        data, rate = raw.get("data"), raw.get("sample_rate")
        if data is not None and (rate is None or type(rate) is int):
            return sound(data, rate)
    if action is None:
        raise WireError(StatusCode.INVALID_VALUE, f"action is missing; accepted: {', '.join(ACTIONS)}")
    if not isinstance(action, str) or action not in ACTIONS:
        raise WireError(
            StatusCode.UNKNOWN_ACTION, f"unknown action {str(action)[:_ABOUT]!r}; accepted: {', '.join(ACTIONS)}"
        )
    try:
        return _converter.structure(raw, ACTIONS[action])
    except ClassValidationError as error:
        raise describe(error) from None


def write_client(message: ClientFrame) -> str:
    """A client's message as the frame that carries it; for clients written in Python and for tests."""
    raw = _converter.unstructure(message)
    action = next(name for name, cls in ACTIONS.items() if type(message) is cls)
    return orjson.dumps({"action": action} | {k: v for k, v in raw.items() if v is not None}).decode()


def write_server(message: ServerMessage, seq: int, framing: AudioFraming) -> tuple[str | bytes, ...]:
    """The frames that carry a message; of a binary-framed `AudioChunk` the header and, adjacent, its PCM.

    `seq` numbers the message for resuming; `pong` carries none.
    """
    if isinstance(message, AudioChunk):
        return _write_speech(message, seq, framing)
    raw = {"type": TYPES[type(message)]} | _converter.unstructure(message)
    if not isinstance(message, Pong):
        raw["seq"] = seq
    return (orjson.dumps(raw).decode(),)


def _write_speech(chunk: AudioChunk, seq: int, framing: AudioFraming) -> tuple[str | bytes, ...]:
    header: dict[str, Any] = {
        "type": TYPES[AudioChunk],
        "speech_id": chunk.speech_id,
        "turn_id": chunk.turn_id,
        "seq": seq,
    }
    if chunk.loudness:
        header["loudness"] = chunk.loudness
    if framing is AudioFraming.BINARY:
        return (orjson.dumps(header).decode(), chunk.pcm)
    header["audio"] = pybase64.b64encode_as_string(chunk.pcm)
    header["sample_rate"] = SPEECH_HZ
    return (orjson.dumps(header).decode(),)


def read_server(frame: str) -> ServerMessage:
    """A server's text frame as the message it carries; a binary-framed `AudioChunk` comes with empty PCM.

    Raises:
        WireError: the frame is no message of this protocol.
    """
    return _read_message(orjson.loads(frame))


def read_numbered(frame: str) -> tuple[int | None, ServerMessage | WireError]:
    """As `read_server`, with the number of the frame; what is no message of this protocol may have one too."""
    raw = orjson.loads(frame)
    try:
        return raw.get("seq"), _read_message(raw)
    except WireError as error:
        return raw.get("seq"), error


def _read_message(raw: dict[str, Any]) -> ServerMessage:
    cls = next((cls for cls, name in TYPES.items() if name == raw.get("type")), None)
    if cls is None:
        raise WireError(StatusCode.INVALID_VALUE, f"unknown type {str(raw.get('type'))[:_ABOUT]!r}")
    if cls is AudioChunk:
        pcm = pybase64.b64decode(raw.get("audio", ""))
        return AudioChunk(raw["speech_id"], raw["turn_id"], pcm, tuple(raw.get("loudness", ())))
    try:
        return _converter.structure(raw, cls)  # type: ignore[no-any-return]
    except ClassValidationError as error:
        raise describe(error) from None
