"""The line between a client and a character: messages one way, frames of the protocol the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from trio_websocket import ConnectionClosed

from neko.client.errors import ClientError, ConnectionLost, closed
from neko.client.frames import FrameReader
from neko.protocol.codec import write_client
from neko.protocol.server import CharacterSwitched

if TYPE_CHECKING:
    from trio_websocket import WebSocketConnection

    from neko.protocol.client import ClientFrame
    from neko.protocol.server import ServerMessage

ABNORMAL = 1006  # what RFC 6455 calls a connection that broke without a close frame


class Line(Protocol):
    """Any task sends, one receives. Both raise the `ClientError` that tells why the line is over."""

    async def send(self, message: ClientFrame | bytes) -> None:
        """A message, or PCM of the microphone."""
        ...

    async def receive(self) -> ServerMessage:
        """The next message, speech whole."""
        ...


class OneLine:
    """One connection, over when its socket is. A `Line`."""

    def __init__(self, websocket: WebSocketConnection) -> None:
        self._websocket = websocket
        self._frames = FrameReader()
        self._offered: str | None = None

    async def send(self, message: ClientFrame | bytes) -> None:
        await self.send_frame(message if isinstance(message, bytes) else write_client(message))

    async def send_frame(self, frame: str | bytes) -> None:
        try:
            await self._websocket.send_message(frame)
        except ConnectionClosed as error:
            raise self._closed(error) from None

    async def receive(self) -> ServerMessage:
        while True:
            try:
                frame = await self._websocket.get_message()
            except ConnectionClosed as error:
                raise self._closed(error) from None
            message = self._frames.read(frame)
            if isinstance(message, CharacterSwitched):
                self._offered = message.new_character
            if message is not None:
                return message

    @property
    def seq(self) -> int | None:
        """The number of the last frame that is complete; None before the first."""
        return self._frames.seq

    def _closed(self, error: ConnectionClosed) -> ClientError:
        if error.reason is None:
            return ConnectionLost(ABNORMAL, None)
        return closed(error.reason.code, error.reason.reason, self._offered)
