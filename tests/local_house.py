"""An embedded conversation in memory: scripted engines, and a client that keeps what it got."""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import numpy as np
import orjson
import pybase64
import trio
from attrs import define, field
from trio.testing import memory_stream_pair
from trio_websocket import WebSocketConnection, wrap_client_stream, wrap_server_stream

from neko.local.engines import ChatMessage, EngineError, Engines, Speak
from neko.local.server import serve_realtime
from neko.sockets import TrioSocket

CLIENT_HZ = 24_000
PIECE = bytes(CLIENT_HZ // 10 * 2)  # 100 ms
PIECES_PER_PHRASE = 4


class LoudnessDetector:
    def probability(self, frame: bytes) -> float:
        return 1.0 if np.abs(np.frombuffer(frame, "<i2").astype(int)).mean() > 1000 else 0.0


@define
class ScriptedRecogniser:
    words: list[str | EngineError] = field(factory=list)
    takes_s: float = 0.1
    heard: list[bytes] = field(factory=list)
    at_work: int = 0

    async def transcribe(self, pcm: bytes, language: str) -> str:  # the protocol's
        self.heard.append(pcm)
        self.at_work += 1
        try:
            await trio.sleep(self.takes_s)
        finally:
            self.at_work -= 1
        words = self.words.pop(0) if self.words else "hello there"
        if isinstance(words, EngineError):
            raise words
        return words


@define
class ScriptedModel:
    reply_pieces: list[str] = field(factory=lambda: ["Hi, ", "how are ", "you today? ", "I am well."])
    piece_s: float = 0.1
    fails_after: int | None = None
    reads_ahead: bool = False
    prompts: list[list[ChatMessage]] = field(factory=list)
    at_work: int = 0

    @asynccontextmanager
    async def reply(self, messages: Sequence[ChatMessage]) -> AsyncIterator[AsyncIterator[str]]:
        self.prompts.append(list(messages))
        self.at_work += 1
        try:
            async with aclosing(self._pieces()) as pieces:
                yield pieces
        finally:
            self.at_work -= 1

    async def read(self, messages: Sequence[ChatMessage]) -> None:
        async with self.reply(messages) as pieces:
            await anext(pieces)

    async def _pieces(self) -> AsyncGenerator[str, None]:
        for index, piece in enumerate(self.reply_pieces):
            if index == self.fails_after:
                raise EngineError("the model is gone")
            await trio.sleep(self.piece_s)
            yield piece


@define
class ScriptedVoice:
    said: list[str] = field(factory=list)
    at_work: int = 0

    def __call__(self, voice: str) -> Speak:  # the protocol's
        return self._speak

    async def _speak(self, texts: trio.MemoryReceiveChannel[str], sound: trio.MemorySendChannel[bytes]) -> None:
        self.at_work += 1
        try:
            async with texts, sound:
                async for text in texts:
                    self.said.append(text)
                    for _ in range(PIECES_PER_PHRASE):
                        await trio.sleep(0.01)
                        await sound.send(PIECE)
        finally:
            self.at_work -= 1


@define
class Cast:
    """The engines of one test."""

    recogniser: ScriptedRecogniser = field(factory=ScriptedRecogniser)
    model: ScriptedModel = field(factory=ScriptedModel)
    voice: ScriptedVoice = field(factory=ScriptedVoice)
    detectors: list[weakref.ref[LoudnessDetector]] = field(factory=list)

    def new_detector(self) -> LoudnessDetector:
        detector = LoudnessDetector()
        self.detectors.append(weakref.ref(detector))
        return detector

    @property
    def engines(self) -> Engines:
        return Engines(self.new_detector, self.recogniser, self.model, self.voice)

    @property
    def at_work(self) -> int:
        return self.recogniser.at_work + self.model.at_work + self.voice.at_work


@define
class Client:
    websocket: WebSocketConnection
    stream: trio.abc.Stream
    got: list[dict[str, Any]] = field(factory=list)

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.got]

    async def send(self, event_type: str, **fields: Any) -> None:
        await self.websocket.send_message(orjson.dumps({"type": event_type} | fields).decode())

    async def receive(self) -> dict[str, Any]:
        event: dict[str, Any] = orjson.loads(await self.websocket.get_message())
        self.got.append(event)
        return event

    async def until(self, event_type: str) -> dict[str, Any]:
        while (event := await self.receive())["type"] != event_type:
            pass
        return event

    async def configure(self, **session: Any) -> None:
        await self.send("session.update", session=session)
        await self.until("session.updated")

    async def write(self, role: str, text: str) -> None:
        kind = "output_text" if role == "assistant" else "input_text"
        item = {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}
        await self.send("conversation.item.create", item=item)
        await self.until("conversation.item.done")

    async def speak(self, ms: int) -> None:
        await self._append((9000 * np.sign(np.sin(np.arange(ms * CLIENT_HZ // 1000) / 10))).astype("<i2").tobytes())

    async def pause(self, ms: int) -> None:
        await self._append(bytes(ms * CLIENT_HZ // 1000 * 2))

    async def _append(self, pcm: bytes) -> None:
        """As a microphone would: 20 ms every 20 ms."""
        step = CLIENT_HZ // 50 * 2
        for start in range(0, len(pcm), step):
            audio = pybase64.b64encode_as_string(pcm[start : start + step])
            await self.send("input_audio_buffer.append", audio=audio)
            await trio.sleep(0.02)


Streams = Callable[[], tuple[trio.abc.Stream, trio.abc.Stream]]

MANUAL = {"input": {"turn_detection": None}}


@asynccontextmanager
async def conversation(cast: Cast, streams: Streams = memory_stream_pair) -> AsyncIterator[Client]:
    """A connected client that has read `session.created`; leaving it is the client's goodbye."""
    near, far = streams()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_serve, far, cast.engines)
        # Its annotation is narrower than what it takes.
        websocket = await wrap_client_stream(nursery, near, "localhost", "/v1/realtime")  # type: ignore[arg-type]
        client = Client(websocket, near)
        await client.until("session.created")
        yield client
        await websocket.aclose()
    assert cast.at_work == 0


async def _serve(stream: trio.abc.Stream, engines: Engines) -> None:
    async with trio.open_nursery() as nursery:
        request = await wrap_server_stream(nursery, stream)
        websocket = await request.accept()
        await serve_realtime(TrioSocket(websocket), engines)
        await websocket.aclose()


def transcript(events: Sequence[dict[str, Any]]) -> str:
    return "".join(e["delta"] for e in events if e["type"] == "response.output_audio_transcript.delta")
