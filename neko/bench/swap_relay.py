"""Break before make: a relay that closes the old model session and then opens the new one, as servers usually do.

`python -m neko.bench.swap_relay PROVIDER_URL` speaks as much of the character protocol as the benchmark's client does.
What the person says while no session is open is heard by nobody.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import partial

import orjson
import pybase64
import trio
from attrs import define, field
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from neko.audio.resample import SpeechResampler
from neko.protocol.client import AudioFraming, InputMode, Microphone, StartSession, SwapSession, SwapWhen
from neko.protocol.codec import SPEECH_HZ, ClientCodec, write_server
from neko.protocol.server import AudioChunk, ServerMessage, SessionStarted, SessionSwapped, TurnEnd
from neko.realtime.dial import dial
from neko.sockets import Socket, SocketClosed

PROVIDER_HZ = 24_000
MODEL = "relay"


@define(eq=False)
class Line:
    """One client, and the one session that is open for it, or none."""

    client: WebSocketConnection
    url: str
    nursery: trio.Nursery
    session: Socket | None = field(default=None, init=False)
    _open: trio.CancelScope = field(factory=trio.CancelScope, init=False)  # as long as that one lives
    _due: bool = field(default=False, init=False)  # a swap, at the end of the turn
    _ears: SpeechResampler | None = field(default=None, init=False)
    _voice: SpeechResampler = field(factory=lambda: SpeechResampler(PROVIDER_HZ, SPEECH_HZ), init=False)
    _speaking: bool = field(default=False, init=False)
    _replies: int = field(default=0, init=False)
    _seq: int = field(default=0, init=False)

    async def hear(self) -> None:
        """The client's messages, until it leaves."""
        codec = ClientCodec()
        while True:
            match codec.read(await self.client.get_message()):
                case StartSession():
                    self.nursery.start_soon(self._connect_for_ever)
                case Microphone(pcm=pcm, sample_rate=rate):
                    await self._pass_on(pcm, rate)
                case SwapSession(when=SwapWhen.NOW):
                    self._break()
                case SwapSession():
                    self._due = True
                case _:
                    pass

    async def _pass_on(self, pcm: bytes, rate: int) -> None:
        # One resampler for the whole conversation, so that a swap costs nothing that it holds back.
        self._ears = self._ears or SpeechResampler(rate, PROVIDER_HZ)
        sound, session = self._ears.push(pcm), self.session
        if session is None or not sound:
            return
        append = {"type": "input_audio_buffer.append", "audio": pybase64.b64encode_as_string(sound)}
        # Its own task notices when it is closed, and opens another one.
        with suppress(SocketClosed):
            await session.send(orjson.dumps(append).decode())

    async def _connect_for_ever(self) -> None:
        """One session after the other: the next is dialled when the one before is closed."""
        await self._converse(SessionStarted(InputMode.AUDIO, "relay", "none"))
        while True:
            if self._speaking:
                await self._end_turn(interrupted=True)
            await self._converse(SessionSwapped("requested", "old", "new", 0.0, 0.0, False))

    async def _converse(self, news: ServerMessage) -> None:
        async with dial(f"{self.url}?model={MODEL}", {}) as session:
            await self._tell(news)
            self.session = session
            # Inside, so that a break leaves in peace: the closing handshake takes one round trip.
            with trio.CancelScope() as self._open, suppress(SocketClosed):
                while True:
                    await self._take(orjson.loads(await session.receive()))
            self.session = None

    def _break(self) -> None:
        self._due, self.session = False, None
        self._open.cancel()

    async def _take(self, event: dict[str, str]) -> None:
        match event["type"]:
            case "response.output_audio.delta":
                self._speaking = True
                pcm = self._voice.push(pybase64.b64decode(event["delta"]))
                await self._say(pcm)
            case "response.done":
                await self._say(self._voice.flush())
                await self._end_turn(interrupted=False)
                if self._due:
                    self._break()

    async def _say(self, pcm: bytes) -> None:
        if pcm:
            await self._tell(AudioChunk(f"s{self._replies}", f"t{self._replies}", pcm))

    async def _end_turn(self, *, interrupted: bool) -> None:
        self._speaking = False
        self._voice = SpeechResampler(PROVIDER_HZ, SPEECH_HZ)
        turn, self._replies = f"t{self._replies}", self._replies + 1
        await self._tell(TurnEnd(turn, interrupted))

    async def _tell(self, message: ServerMessage) -> None:
        self._seq += 1
        for frame in write_server(message, self._seq, AudioFraming.BINARY):
            await self.client.send_message(frame)


async def _serve_client(url: str, request: WebSocketRequest) -> None:
    client = await request.accept()
    try:
        async with trio.open_nursery() as nursery:
            try:
                await Line(client, url, nursery).hear()
            finally:
                nursery.cancel_scope.cancel()
    except* ConnectionClosed:
        pass  # the client has left


async def serve(url: str) -> None:
    async with trio.open_nursery() as nursery:
        start = partial(serve_websocket, partial(_serve_client, url), "127.0.0.1", 0, ssl_context=None)
        server = await nursery.start(start)
        print(f"ready: talk at http://127.0.0.1:{server.port}", flush=True)


if __name__ == "__main__":
    trio.run(serve, sys.argv[1])
