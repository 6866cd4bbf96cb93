"""What one client says to a character, and what it is told."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from neko.client.errors import ClientError, ConnectionLost, StartRefused
from neko.protocol.client import (
    AudioFraming,
    ClientFrame,
    EndSession,
    InputType,
    MicFormat,
    Ping,
    Playback,
    StartSession,
    StreamData,
)
from neko.protocol.errors import StatusCode
from neko.protocol.server import ServerMessage, SessionFailed, SessionStarted, Status

if TYPE_CHECKING:
    from neko.client.line import Line

ASIDE = 1024  # messages that may overtake a session's start; a start takes 10 s at most, speech has 25 frames a second
NORMAL = frozenset({1000, 1001})


class CharacterClient:
    """What `connect` and `stay_connected` yield. Any task sends; one iterates, all the time: it answers the server's
    pings.

    Messages are yielded in the order of the server; an `AudioChunk` always carries its PCM, whatever the framing.
    """

    def __init__(self, line: Line, framing: AudioFraming) -> None:
        self._line = line
        self._framing = framing
        self._aside: deque[ServerMessage] = deque(maxlen=ASIDE)
        self._mic_hz: int | None = None

    async def start(
        self,
        input_type: InputType,
        language: str | None = None,
        *,
        new_session: bool = False,
        mouth: bool | None = None,
    ) -> SessionStarted:
        """Starts a session, or joins the running one. Messages that come before the answer are yielded later.

        With `mouth` each `AudioChunk` says how loud it is.

        Raises:
            StartRefused: with the code and the sentence of the server.
            ClientError: the server closed the connection instead; the type says why.
        """
        # When the socket closes under this, the reading below says why, with what the server said before it closed.
        with suppress(ClientError):
            await self.send(
                StartSession(
                    input_type=input_type,
                    new_session=new_session,
                    audio_format=self._framing,
                    mouth=mouth,
                    language=language,
                )
            )
        status = Status(StatusCode.SESSION_START_FAILED, "the server gave no reason")
        while True:
            message = await self._line.receive()
            match message:
                case SessionStarted():
                    return message
                case SessionFailed():
                    raise StartRefused(status.code, status.details)
                case Status():
                    status = message
            self._aside.append(message)

    async def send_audio(self, pcm: bytes, sample_rate: int) -> None:
        """What the microphone heard: PCM16 little-endian mono at `sample_rate` Hz, at most 10 s. One task at a time."""
        if sample_rate != self._mic_hz:
            await self.send(MicFormat(sample_rate))
            self._mic_hz = sample_rate
        await self._line.send(pcm)

    async def send_text(self, text: str, request_id: str | None = None) -> None:
        """What the person typed; it interrupts a reply that is still being spoken."""
        await self.send(StreamData(InputType.TEXT, text, request_id=request_id))

    async def report_playback(self, speech_id: str, played_ms: float) -> None:
        """How much of a speech the person has heard; on a barge-in the server remembers only that."""
        await self.send(Playback(speech_id, played_ms))

    async def ping(self) -> None:
        """Asks for a `Pong`, which the iteration yields."""
        await self.send(Ping())

    async def end(self, reason: str | None = None) -> None:
        """Ends the session; the connection stays open for another `start`."""
        await self.send(EndSession(reason))

    async def send(self, message: ClientFrame) -> None:
        """Any other message of the protocol. Raises the `ClientError` that the close code stands for."""
        await self._line.send(message)

    def __aiter__(self) -> CharacterClient:
        return self

    async def __anext__(self) -> ServerMessage:
        """The next message. Ends when either side closed normally; raises a `ClientError` for any other end."""
        if self._aside:
            return self._aside.popleft()
        try:
            return await self._line.receive()
        except ConnectionLost as error:
            if error.code in NORMAL:
                raise StopAsyncIteration from None
            raise
