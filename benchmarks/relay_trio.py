"""The floor: a relay on trio-websocket that resamples and passes on, and has no idea of a session.

`python benchmarks/relay_trio.py PROVIDER_URL`, with neko installed: the character protocol with base64 framing on one
side, OpenAI Realtime on the other, one task for each direction.
"""

from __future__ import annotations

import sys
from functools import partial
from urllib.parse import urlsplit

import numpy as np
import orjson
import pybase64
import soxr
import trio
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    WebSocketRequest,
    open_websocket,
    serve_websocket,
)

from neko.app.collector import calm_collector
from neko.bench.lateness import tell_lateness

BUFFER = 64 * 1024  # bytes; the default of 4 KiB wakes up several times for each delta
QUEUE = 64  # messages, as neko has it; the default of one has the reader wait for each
SESSION = {
    "type": "session.update",
    "session": {
        "type": "realtime",
        "output_modalities": ["audio"],
        "audio": {
            "input": {"format": {"type": "audio/pcm", "rate": 24_000}, "turn_detection": {"type": "server_vad"}},
            "output": {"format": {"type": "audio/pcm", "rate": 24_000}},
        },
    },
}


class Resampler:
    """PCM16 mono as one stream."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="HQ")

    def push(self, encoded: str) -> str:
        samples = np.frombuffer(pybase64.b64decode(encoded), dtype="<i2")
        return pybase64.b64encode_as_string(self._stream.resample_chunk(samples).tobytes())


async def serve_client(provider: str, request: WebSocketRequest) -> None:
    client = await request.accept()
    try:
        while "start_session" not in (await client.get_message()):
            pass
        parts = urlsplit(provider)
        async with open_websocket(
            parts.hostname,
            parts.port,
            f"{parts.path}?model=relay",
            use_ssl=False,
            receive_buffer_size=BUFFER,
            message_queue_size=QUEUE,
            extra_headers=[(b"authorization", b"Bearer none")],
        ) as model:
            await model.send_message(orjson.dumps(SESSION).decode())
            while b"session.updated" not in (await model.get_message()).encode():
                pass
            await client.send_message('{"type":"session_started","input_mode":"audio","seq":1}')
            async with trio.open_nursery() as nursery:
                nursery.start_soon(speak, model, client)
                await hear(client, model)
                nursery.cancel_scope.cancel()
    except* ConnectionClosed:
        pass  # either end has left


async def hear(client: WebSocketConnection, model: WebSocketConnection) -> None:
    ears: dict[int, Resampler] = {}
    while True:
        frame = orjson.loads(await client.get_message())
        match frame["action"]:
            case "stream_data":
                data, hz = frame["data"], frame.get("sample_rate", 16_000)
                if isinstance(data, list):
                    data, hz = pybase64.b64encode_as_string(np.array(data, dtype="<i2").tobytes()), 48_000
                if hz not in ears:
                    ears[hz] = Resampler(hz, 24_000)
                sound = ears[hz].push(data)
                if sound:
                    append = {"type": "input_audio_buffer.append", "audio": sound}
                    await model.send_message(orjson.dumps(append).decode())
            case "end_session":
                return


async def speak(model: WebSocketConnection, client: WebSocketConnection) -> None:
    voice, seq = Resampler(24_000, 48_000), 1
    while True:
        event = orjson.loads(await model.get_message())
        match event["type"]:
            case "response.output_audio.delta":
                audio = voice.push(event["delta"])
                chunk = {"type": "audio_chunk", "speech_id": "s1", "turn_id": "t1", "audio": audio}
                frame = chunk | {"sample_rate": 48_000}
            case "response.output_audio_transcript.delta":
                frame = {"type": "gemini_response", "text": event["delta"], "isNewMessage": False, "turn_id": "t1"}
            case _:
                continue
        seq += 1
        await client.send_message(orjson.dumps(frame | {"seq": seq}).decode())


async def main(provider: str) -> None:
    async with trio.open_nursery() as nursery:
        start = partial(
            serve_websocket,
            partial(serve_client, provider),
            "127.0.0.1",
            0,
            ssl_context=None,
            receive_buffer_size=BUFFER,
            message_queue_size=QUEUE,
        )
        server = await nursery.start(start)
        await tell_lateness(f"ws://127.0.0.1:{server.port}")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    calm_collector()  # as neko does: the difference is to be the session logic
    trio.run(main, sys.argv[1])
