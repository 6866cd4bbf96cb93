"""pipecat with its OpenAI Realtime service, behind the character protocol: a peer of `neko bench density`.

`python pipecat_realtime.py PROVIDER_URL`, with pipecat-ai[openai,websocket] 1.14.0 and uvicorn[standard]. Put together
as pipecat's own examples are: one FastAPI endpoint, for each connection a transport, a pipeline and a runner, and the
service between the two context aggregators.

What is left at pipecat's defaults, and matters for the figures:

- Speech goes out in pieces of 40 ms (`audio_out_10ms_chunks`), one every 40 ms of the clock and none faster, from a
  queue that has no bound: a stall of the loop that is longer than a piece delays all the rest of the reply.
- Both resamplers are soxr at VHQ, where the relays use HQ, and neko HQ for speech and LQ for the microphone: VHQ gives
  out the microphone in 15 instead of 33 pieces per second, which are later and cost less to send. The microphone's
  forgets what its filter holds when no frame has come for 0.2 s.
- Every frame of the microphone passes all processors of the pipeline to its end, also behind the service.
- Turns are tracked, and a pipeline in which nobody speaks for 300 s ends.
"""

from __future__ import annotations

import asyncio
import sys
from array import array
from typing import Any

import orjson
import pybase64
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.frames.frames import (
    CancelWorkerFrame,
    Frame,
    InputAudioRawFrame,
    LLMFullResponseStartFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.services.openai.realtime.events import (
    AudioConfiguration,
    AudioInput,
    AudioOutput,
    PCMAudioFormat,
    SessionProperties,
    TurnDetection,
)
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner
from serving import serve
from starlette.websockets import WebSocketDisconnect

MODEL = "pipecat"
MIC_HZ, CLIENT_HZ = 16_000, 48_000
FULL_BAND_FRAME = 480  # samples; a list of so many that names no rate is 10 ms at 48 kHz


class Wire(FrameSerializer):
    """The character protocol, as much of it as a benchmark speaks, from and to pipecat's frames."""

    def __init__(self) -> None:
        super().__init__()
        self._seq = 0
        self._turn = ""

    async def deserialize(self, data: str | bytes) -> Frame | None:
        frame = orjson.loads(data)
        match frame["action"]:
            case "stream_data":
                pcm, rate = _sound(frame)
                return InputAudioRawFrame(audio=pcm, sample_rate=rate, num_channels=1)
            case "end_session":
                return CancelWorkerFrame()
        return None

    async def serialize(self, frame: Frame) -> str | None:
        if isinstance(frame, OutputAudioRawFrame):
            return self._write(
                {
                    "type": "audio_chunk",
                    "speech_id": self._turn,
                    "turn_id": self._turn,
                    "audio": pybase64.b64encode_as_string(frame.audio),
                    "sample_rate": frame.sample_rate,
                }
            )
        if isinstance(frame, OutputTransportMessageFrame | OutputTransportMessageUrgentFrame):
            # A message leaves in its place among the sound, so that what follows it belongs to the same turn.
            self._turn = frame.message.get("turn_id", self._turn)
            return self._write(frame.message)
        return None

    def _write(self, message: dict[str, Any]) -> str:
        self._seq += 1
        return orjson.dumps(message | {"seq": self._seq}).decode()


def _sound(frame: dict[str, Any]) -> tuple[bytes, int]:
    data = frame["data"]
    if isinstance(data, str):
        return pybase64.b64decode(data), frame.get("sample_rate", MIC_HZ)
    rate = CLIENT_HZ if len(data) == FULL_BAND_FRAME else MIC_HZ
    return array("h", data).tobytes(), frame.get("sample_rate", rate)


class Captions(FrameProcessor):
    """What the character says, as messages that leave together with their sound."""

    def __init__(self) -> None:
        super().__init__()
        self._turns = 0
        self._begun = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMFullResponseStartFrame):
            self._turns, self._begun = self._turns + 1, False
        elif isinstance(frame, TTSTextFrame):
            message = {"type": "gemini_response", "text": frame.text, "isNewMessage": not self._begun}
            self._begun = True
            await self.push_frame(OutputTransportMessageFrame(message=message | {"turn_id": f"t{self._turns}"}))
        await self.push_frame(frame, direction)


class Realtime(OpenAIRealtimeLLMService):
    """The service, which has no event for what a client waits for: that the provider has taken the settings."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.ready = asyncio.Event()

    async def _handle_evt_session_updated(self, evt: Any) -> None:
        await super()._handle_evt_session_updated(evt)
        self.ready.set()


def _service(url: str) -> Realtime:
    pcm = PCMAudioFormat()
    heard = AudioInput(format=pcm, turn_detection=TurnDetection())
    properties = SessionProperties(audio=AudioConfiguration(input=heard, output=AudioOutput(format=pcm)))
    settings = OpenAIRealtimeLLMService.Settings(model=MODEL, session_properties=properties)
    return Realtime(api_key="none", base_url=url, settings=settings)


async def _converse(socket: WebSocket, url: str) -> None:
    """One pipeline, until `end_session` or the client leaves; pipecat then closes the client's socket as well."""
    params = FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=Wire())
    transport, service = FastAPIWebsocketTransport(socket, params), _service(url)
    user, assistant = LLMContextAggregatorPair(LLMContext())
    stages = [transport.input(), user, service, Captions(), transport.output(), assistant]
    rates = PipelineParams(audio_in_sample_rate=MIC_HZ, audio_out_sample_rate=CLIENT_HZ)
    # pipecat's own client protocol would be spoken beside this one, and thrown away: 12 % of the work of ten sessions.
    worker = PipelineWorker(Pipeline(stages), params=rates, enable_rtvi=False)

    @transport.event_handler("on_client_connected")
    async def on_client_connected(_transport: FastAPIWebsocketTransport, _client: WebSocket) -> None:
        await service.ready.wait()
        message = {"type": "session_started", "input_mode": "audio", "session_id": "pipecat"}
        await worker.queue_frame(OutputTransportMessageUrgentFrame(message=message))

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(_transport: FastAPIWebsocketTransport, _client: WebSocket) -> None:
        await worker.cancel()

    # The web server handles the signals.
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def bots(url: str) -> FastAPI:
    app = FastAPI()

    @app.websocket("/ws/{character}")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        try:
            while orjson.loads(await socket.receive_text())["action"] != "start_session":
                pass
        except WebSocketDisconnect:
            return
        await _converse(socket, url)

    return app


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    serve(bots(sys.argv[1]))
