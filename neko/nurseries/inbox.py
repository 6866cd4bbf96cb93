"""What the model is to be told, in order: one channel for sound, text and pictures."""

from __future__ import annotations

import trio
from attrs import define, field, frozen

from neko.audio.pcm import bytes_for, duration_ms
from neko.nurseries.slot import Slot
from neko.protocol.client import Microphone, Picture, TypedText
from neko.realtime.session import Interrupt, Tell

BACKLOG = 64  # messages that are not joined; typing and events wait when it is full
MIC_BACKLOG_MS = 5_000  # sound that waits; the oldest is dropped and counted, for it is worthless by then


@define(eq=False)
class MicBlock:
    """The person's sound since the last message: frames are joined as long as nobody has taken the block."""

    sample_rate: int
    last_at: float
    _pcm: bytearray = field(factory=bytearray, repr=False)
    dropped_ms: float = 0.0

    def add(self, pcm: bytes, now: float) -> None:
        self.last_at = now
        self._pcm += pcm
        excess = len(self._pcm) - bytes_for(MIC_BACKLOG_MS, self.sample_rate)
        if excess > 0:
            del self._pcm[:excess]
            self.dropped_ms += duration_ms(excess, self.sample_rate)

    @property
    def pcm(self) -> bytes:
        return bytes(self._pcm)


@frozen
class Cut:
    """The person interrupted a reply of this session."""

    slot: Slot
    interrupt: Interrupt


Input = MicBlock | TypedText | Picture | Tell | Cut


class Inbox:
    """Any task may put something in; the one that conducts the session takes it out."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[Input](BACKLOG)
        self._open_block: MicBlock | None = None
        self.dropped_ms = 0.0

    def hear(self, sound: Microphone, now: float) -> None:
        """Never waits: a microphone cannot."""
        block = self._open_block
        if block is None or block.sample_rate != sound.sample_rate:
            block = MicBlock(sound.sample_rate, now)
            try:
                self._send.send_nowait(block)
            except (trio.WouldBlock, trio.BrokenResourceError):
                self.dropped_ms += duration_ms(sound.pcm, sound.sample_rate)
                return
            self._open_block = block
        block.add(sound.pcm, now)

    async def send(self, message: TypedText | Picture | Tell | Cut) -> None:
        """Waits while the inbox is full; once it is closed, nobody will take the message, and it returns.

        What is heard from now on comes after this message.
        """
        self._open_block = None
        try:
            await self._send.send(message)
        except trio.BrokenResourceError:
            await trio.lowlevel.checkpoint()

    async def receive(self) -> Input:
        message = await self._receive.receive()
        if isinstance(message, MicBlock):
            self._open_block = None if message is self._open_block else self._open_block
            self.dropped_ms += message.dropped_ms
        return message

    def close(self) -> None:
        """Its session is over."""
        self._receive.close()

    def waiting(self) -> bytes:
        """The sound of the youngest block that nobody has taken yet."""
        return self._open_block.pcm if self._open_block else b""
