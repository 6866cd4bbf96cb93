"""Server frames to messages: pairs each speech header with the binary frame behind it."""

from __future__ import annotations

import attrs

from neko.protocol.codec import read_numbered
from neko.protocol.errors import WireError
from neko.protocol.server import AudioChunk, ServerMessage
from neko.telemetry import get_logger

log = get_logger("client")


class FrameReader:
    """One connection's frames, in order. Remembers a header whose sound has not come yet.

    `seq` is the number of the last frame that is complete: a header whose sound is lost was not seen.
    """

    def __init__(self) -> None:
        self.seq: int | None = None
        self._header: AudioChunk | None = None
        self._header_seq: int | None = None

    def read(self, frame: str | bytes) -> ServerMessage | None:
        """The message that this frame completes; None when more must come, or when it means nothing to this client."""
        if isinstance(frame, bytes):
            return self._speech(frame)
        seq, message = read_numbered(frame)
        if isinstance(message, AudioChunk) and not message.pcm:
            self._header, self._header_seq = message, seq
            return None
        self.seq = self.seq if seq is None else seq
        if isinstance(message, WireError):
            # A newer server may have more to say than we understand; that must not end the conversation.
            log.debug("client.frame_ignored", code=message.code)
            return None
        return message

    def _speech(self, pcm: bytes) -> ServerMessage | None:
        header, self._header = self._header, None
        if header is None:
            return None
        self.seq = self._header_seq
        return attrs.evolve(header, pcm=pcm)
