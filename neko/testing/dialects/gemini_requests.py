"""What a client of Gemini Live asks for after its setup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pybase64

from neko.testing.exchange import AddItem, Answer, Commit, EndOfSound, Event, Hear, Interrupt, Refused, Request, See

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ROLES = {"user": ("user", "input_text"), "model": ("assistant", "output_text")}


def read(event: Event, hears_hz: int) -> Iterator[Request]:
    """Raises KeyError, TypeError, AttributeError, ValueError or binascii.Error for a message of the wrong shape."""
    match event:
        case {"realtimeInput": said}:
            yield from _realtime(said, hears_hz)
        case {"clientContent": content}:
            yield from _content(content)
        case {"toolResponse": answer}:
            yield from _tool_results(answer["functionResponses"])
        case _:
            yield Refused("invalid_argument", f"Unknown name '{next(iter(event), '')}': cannot find field.")


def _realtime(said: Event, hears_hz: int) -> Iterator[Request]:
    for sound in (said["audio"],) if "audio" in said else said.get("mediaChunks", ()):
        yield _hear(sound, hears_hz)
    if "video" in said:
        yield See()
    if "text" in said:
        yield AddItem(_message("user", [{"text": said["text"]}]))
        yield from _answer()
    if "activityStart" in said:
        yield Interrupt()
    if "activityEnd" in said:
        yield from (Commit(), Answer(None))
    if "audioStreamEnd" in said:
        yield EndOfSound()


def _hear(sound: Event, hears_hz: int) -> Request:
    kind, *parameters = sound["mimeType"].replace(" ", "").split(";")
    # Without a rate Google assumes 16 kHz; it resamples others, which this simulator leaves to the client.
    if kind != "audio/pcm" or parameters not in ([], [f"rate={hears_hz}"]):
        return Refused("invalid_argument", f"This simulator hears audio/pcm;rate={hears_hz} only.")
    sound["data"] = pybase64.b64decode(sound["data"], validate=True)
    return Hear(sound["data"])


def _content(content: Event) -> Iterator[Request]:
    for turn in content.get("turns", []):
        yield AddItem(_message(turn.get("role", "user"), turn["parts"]))
    if content.get("turnComplete", False):
        yield from _answer()


def _tool_results(results: Iterable[Event]) -> Iterator[Request]:
    for result in results:
        output = orjson.dumps(result["response"]).decode()
        yield AddItem({"type": "function_call_output", "call_id": result["id"], "output": output})
    yield from _answer()


def _answer() -> Iterator[Request]:
    """New content ends what the model is saying, and is answered at once."""
    yield Interrupt()
    yield Answer(None)


def _message(role: str, parts: list[Any]) -> Event:
    ours, kind = _ROLES[role]
    return {"type": "message", "role": ours, "content": [{"type": kind, "text": part["text"]} for part in parts]}
