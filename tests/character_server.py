"""A loopback server of the character protocol that says what a test's script tells it to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import trio
from attrs import define, field
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from neko.protocol.client import AudioFraming, ClientMessage, InputMode, Microphone, StartSession, TypedText
from neko.protocol.codec import ClientCodec, write_server
from neko.protocol.server import (
    AudioChunk,
    Emotion,
    ReplyText,
    ServerMessage,
    SessionPreparing,
    SessionStarted,
    TurnEnd,
    UserTranscript,
)


@define
class Peer:
    """The server's end of one connection."""

    websocket: WebSocketConnection
    path: str
    headers: dict[bytes, bytes]
    framing: AudioFraming = AudioFraming.BINARY
    got: list[ClientMessage] = field(factory=list)
    _codec: ClientCodec = field(factory=ClientCodec)
    _seq: int = 0

    async def receive(self) -> ClientMessage:
        message = self._codec.read(await self.websocket.get_message())
        self.got.append(message)
        return message

    async def say(self, *messages: ServerMessage) -> None:
        for message in messages:
            self._seq += 1
            for frame in write_server(message, self._seq, self.framing):
                await self.websocket.send_message(frame)

    async def accept_start(self) -> StartSession:
        start = await self.receive()
        assert isinstance(start, StartSession)
        self.framing = start.audio_format or self.framing
        mode = start.input_type.mode
        await self.say(SessionPreparing(mode), SessionStarted(mode, "s1", "token"))
        return start


Script = Callable[[Peer], Awaitable[None]]


@define
class FakeServer:
    url: str
    peers: list[Peer]


@asynccontextmanager
async def character_server(script: Script) -> AsyncIterator[FakeServer]:
    """Plays `script` to each connection, then closes it; a script that its client leaves just ends."""
    peers: list[Peer] = []
    async with trio.open_nursery() as nursery:
        serve = partial(serve_websocket, partial(_play, script, peers), "127.0.0.1", 0, ssl_context=None)
        server = await nursery.start(serve)
        yield FakeServer(f"http://127.0.0.1:{server.port}", peers)
        nursery.cancel_scope.cancel()


async def _play(script: Script, peers: list[Peer], request: WebSocketRequest) -> None:
    websocket = await request.accept()
    peer = Peer(websocket, request.path, {name.lower(): value for name, value in request.headers})
    peers.append(peer)
    try:
        await script(peer)
        await websocket.aclose()
    except ConnectionClosed:
        return


PCM = bytes(range(256)) * 15  # 40 ms at 48 kHz


def reply(turn_id: str, *pieces: str) -> list[ServerMessage]:
    """A spoken reply as the server sends it."""
    messages: list[ServerMessage] = [Emotion("happy", turn_id)]
    for number, piece in enumerate(pieces):
        messages += [ReplyText(piece, number == 0, turn_id), AudioChunk(f"speech-{turn_id}", turn_id, PCM)]
    return [*messages, TurnEnd(turn_id, interrupted=False)]


async def typed_answers(peer: Peer) -> None:
    """Starts a session and answers every text with itself, in two pieces."""
    start = await peer.accept_start()
    assert start.input_type.mode is InputMode.TEXT
    for number in range(1000):
        message = await peer.receive()
        if isinstance(message, TypedText):
            await peer.say(*reply(f"t{number}", "You said ", message.text))


async def spoken_answer(peer: Peer) -> None:
    """Understands an utterance when a loud frame has been followed by a silent one, and answers it."""
    await peer.accept_start()
    loud = False
    while True:
        message = await peer.receive()
        assert isinstance(message, Microphone) or not loud
        if isinstance(message, Microphone):
            silent = not any(message.pcm)
            if loud and silent:
                break
            loud = loud or not silent
    await peer.say(UserTranscript("Hello, what is your name?"), *reply("t1", "I am ", "Yui."))
    while True:
        await peer.receive()
