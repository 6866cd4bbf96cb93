"""What the load generator says and understands: frames that are made once, and the length of the sound in one."""

from __future__ import annotations

from array import array

import orjson
import pybase64

from neko.bench.load.order import FULL_BAND_MS, MIC_MS, MicFrames

MIC_HZ = 16_000
FULL_BAND_HZ = 48_000  # of existing clients: lists of 480 integers
PROVIDER_HZ, DELTA_MS = 24_000, 40
CLIENT_HZ = 48_000
CAPTION_EVERY = 5  # deltas: a word or two each 200 ms, as people speak
BYTES_PER_SAMPLE = 2

# Each client's microphone gives a level of its own, which a resampler does not change: it names the client to the
# provider, whatever session the server opened for it.
_FIRST_LEVEL, _LEVEL_STEP = 500, 100
MOST_CLIENTS = (32_767 - _FIRST_LEVEL) // _LEVEL_STEP

_AUDIO = b'"audio":'


def mic_frame(client: int, frames: MicFrames) -> bytes:
    """One `stream_data` of this client; all of them are the same."""
    level = _FIRST_LEVEL + client * _LEVEL_STEP
    message: dict[str, object] = {"action": "stream_data", "input_type": "audio"}
    if frames is MicFrames.INTEGERS:
        message["data"] = [level] * (FULL_BAND_HZ * FULL_BAND_MS // 1000)
    else:
        pcm = array("h", [level] * (MIC_HZ * MIC_MS // 1000)).tobytes()
        message |= {"data": pybase64.b64encode_as_string(pcm), "sample_rate": MIC_HZ}
    return orjson.dumps(message)


def client_of(append: bytes) -> int:
    """Whose sound this is, by its last sample; the resampler must be past its beginning."""
    pcm = array("h", pybase64.b64decode(sound_in(append)))
    return round((pcm[-1] - _FIRST_LEVEL) / _LEVEL_STEP)


def sound_in(frame: bytes) -> bytes:
    """The base64 in a frame's `audio`, empty when it has none. Servers order and space their keys as they like."""
    begin = frame.find(_AUDIO)
    if begin < 0:
        return b""
    begin = frame.index(b'"', begin + len(_AUDIO)) + 1
    return frame[begin : frame.index(b'"', begin)]


def decoded_size(encoded: bytes) -> int:
    """How many bytes base64 stands for."""
    return len(encoded) * 3 // 4 - encoded[-2:].count(b"=")


def start_frame() -> bytes:
    return orjson.dumps({"action": "start_session", "input_type": "audio", "audio_format": "base64"})


def delta_frame(response: str) -> bytes:
    """40 ms of speech in the GA form."""
    pcm = array("h", [1000] * (PROVIDER_HZ * DELTA_MS // 1000)).tobytes()
    return _of_response("response.output_audio.delta", response, delta=pybase64.b64encode_as_string(pcm))


def caption_frame(response: str) -> bytes:
    return _of_response("response.output_audio_transcript.delta", response, delta=" and so on")


def event(kind: str, **fields: object) -> bytes:
    return orjson.dumps({"type": kind, "event_id": f"event_{kind}", **fields})


def response_begins(response: str) -> list[bytes]:
    item = {"id": f"item_{response}", "object": "realtime.item", "type": "message", "role": "assistant"}
    return [
        event("response.created", response={"id": response, "object": "realtime.response", "status": "in_progress"}),
        event("response.output_item.added", response_id=response, output_index=0, item=item | {"content": []}),
    ]


def response_ends(response: str) -> list[bytes]:
    done = {"id": response, "object": "realtime.response", "status": "completed", "output": []}
    return [_of_response("response.output_audio.done", response), event("response.done", response=done)]


def _of_response(kind: str, response: str, **fields: object) -> bytes:
    where = {"response_id": response, "item_id": f"item_{response}", "output_index": 0, "content_index": 0}
    return event(kind, **where, **fields)
