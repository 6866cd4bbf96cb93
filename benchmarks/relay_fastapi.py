"""A bare relay on FastAPI: the work that every server of `neko bench density` has to do, and nothing else.

`python relay_fastapi.py PROVIDER_URL`, with fastapi, uvicorn[standard], websockets, soxr, orjson and pybase64. There is
no session to keep, no turn, no interruption, no pacing and no recovery: what it costs is a floor.
"""

from __future__ import annotations

import asyncio
import sys
from array import array
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pybase64
import soxr
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from serving import serve
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MODEL = "relay"
MIC_HZ, PROVIDER_HZ, CLIENT_HZ = 16_000, 24_000, 48_000
FULL_BAND_FRAME = 480  # samples; a list of so many that names no rate is 10 ms at 48 kHz
PCM = {"type": "audio/pcm", "rate": PROVIDER_HZ}
SETTINGS = {
    "type": "realtime",
    "output_modalities": ["audio"],
    "audio": {"input": {"format": PCM, "turn_detection": {"type": "server_vad"}}, "output": {"format": PCM}},
}


class Resampler:
    """One sound as one stream, so that there is no seam between its chunks."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="HQ")

    def push(self, pcm: bytes) -> bytes:
        return self._stream.resample_chunk(np.frombuffer(pcm, dtype="<i2")).tobytes()


class Client:
    """Numbers what the client is told, as the protocol asks for."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._seq = 0

    async def tell(self, message: dict[str, Any]) -> None:
        self._seq += 1
        message["seq"] = self._seq
        await self._socket.send_text(orjson.dumps(message).decode())


class Microphone:
    """What the person says, at the provider's rate. The first frame tells the rate of all."""

    def __init__(self, provider: ClientConnection) -> None:
        self._provider = provider
        self._resampler: Resampler | None = None

    async def hear(self, frame: dict[str, Any]) -> None:
        pcm, rate = _sound(frame)
        self._resampler = self._resampler or Resampler(rate, PROVIDER_HZ)
        if sound := self._resampler.push(pcm):
            append = {"type": "input_audio_buffer.append", "audio": pybase64.b64encode_as_string(sound)}
            await self._provider.send(orjson.dumps(append), text=True)


def _sound(frame: dict[str, Any]) -> tuple[bytes, int]:
    data = frame["data"]
    if isinstance(data, str):
        return pybase64.b64decode(data), frame.get("sample_rate", MIC_HZ)
    rate = CLIENT_HZ if len(data) == FULL_BAND_FRAME else MIC_HZ
    return array("h", data).tobytes(), frame.get("sample_rate", rate)


@asynccontextmanager
async def _session(url: str, client: Client) -> AsyncIterator[Microphone]:
    """A provider session that is set up; leaving closes it."""
    headers = {"Authorization": "Bearer none"}
    # Compression would be the dearest part of a relay. Speech is never larger than the messages that are let through.
    async with connect(f"{url}?model={MODEL}", additional_headers=headers, compression=None) as provider:
        await provider.send(orjson.dumps({"type": "session.update", "session": SETTINGS}), text=True)
        while orjson.loads(await provider.recv(decode=False))["type"] != "session.updated":
            pass
        await client.tell({"type": "session_started", "input_mode": "audio", "session_id": "relay"})
        speaking = asyncio.create_task(_speak(provider, client))
        try:
            yield Microphone(provider)
        finally:
            speaking.cancel()


async def _speak(provider: ClientConnection, client: Client) -> None:
    # The tail that the filter holds back, 26 ms, comes with the next reply: to flush it would need turns.
    voice, reply = Resampler(PROVIDER_HZ, CLIENT_HZ), ""
    with suppress(ConnectionClosed, WebSocketDisconnect):
        while True:
            event = orjson.loads(await provider.recv(decode=False))
            match event["type"]:
                case "response.output_audio.delta":
                    if pcm := voice.push(pybase64.b64decode(event["delta"])):
                        await client.tell(
                            {
                                "type": "audio_chunk",
                                "speech_id": event["item_id"],
                                "turn_id": event["response_id"],
                                "audio": pybase64.b64encode_as_string(pcm),
                                "sample_rate": CLIENT_HZ,
                            }
                        )
                case "response.output_audio_transcript.delta":
                    turn = event["response_id"]
                    text = {"type": "gemini_response", "text": event["delta"], "isNewMessage": turn != reply}
                    reply = turn
                    await client.tell(text | {"turn_id": turn})


def relay(url: str) -> FastAPI:
    app = FastAPI()

    @app.websocket("/ws/{character}")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        client, microphone = Client(socket), None
        async with AsyncExitStack() as session:
            with suppress(WebSocketDisconnect, ConnectionClosed):
                while True:
                    frame = orjson.loads(await socket.receive_text())
                    match frame["action"]:
                        case "stream_data" if microphone is not None:
                            await microphone.hear(frame)
                        case "start_session" if microphone is None:
                            microphone = await session.enter_async_context(_session(url, client))
                        case "end_session":
                            microphone = None
                            await session.aclose()

    return app


if __name__ == "__main__":
    serve(relay(sys.argv[1]))
