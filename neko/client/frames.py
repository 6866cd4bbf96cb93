"""Server frames to messages: pairs each speech header with the binary frame behind it."""

from __future__ import annotations

import attrs

from neko.protocol.codec import read_server
from neko.protocol.errors import WireError
from neko.protocol.server import AudioChunk, ServerMessage
from neko.telemetry import get_logger

log = get_logger("client")


class FrameReader:
    """One connection's frames, in order. Remembers a header whose sound has not come yet."""

    def __init__(self) -> None:
        self._header: AudioChunk | None = None

    def read(self, frame: str | bytes) -> ServerMessage | None:
        """The message that this frame completes; None when more must come, or when it means nothing to this client."""
        if isinstance(frame, bytes):
            return self._speech(frame)
        try:
            message = read_server(frame)
        except WireError as error:
            # A newer server may have more to say than we understand; that must not end the conversation.
            log.debug("client.frame_ignored", code=error.code)
            return None
        if isinstance(message, AudioChunk) and not message.pcm:
            self._header = message
            return None
        return message

    def _speech(self, pcm: bytes) -> ServerMessage | None:
        header, self._header = self._header, None
        return header and attrs.evolve(header, pcm=pcm)
