"""What has left for a client, kept until it has arrived: who comes back is sent what it missed."""

from __future__ import annotations

from collections import deque

from neko.protocol.server import AudioChunk, Pong, ServerMessage

# Kept for a client that comes back: 87 s of speech, what a client that has fallen silent can miss before it is given up
# and while it is waited for.
REPLAY_BYTES = 8 * 1024 * 1024
# Of what has arrived at a client so much is kept all the same: its library may have answered for a program that had not
# read it yet, and then lost the connection. That is 0.7 s of speech at most with the libraries of ADR 6; this is 0.75.
ARRIVED_BYTES = 70 * 1024
MESSAGE_BYTES = 256  # what a message without sound counts for in that


class Replay:
    """Messages in the order of their numbers, which have no gaps; the oldest are let go of."""

    def __init__(self) -> None:
        self._seq = 0
        self._kept: deque[tuple[int, ServerMessage]] = deque()
        self._bytes = 0
        self._arrived_seq = 0

    @property
    def next_seq(self) -> int:
        return self._seq + 1

    def number(self, message: ServerMessage) -> int:
        """The number of a message that leaves now. A pong is answered and forgotten, and has that of the one before."""
        if isinstance(message, Pong):
            return self._seq
        self._seq += 1
        self._kept.append((self._seq, message))
        self._bytes += size(message)
        while self._bytes > REPLAY_BYTES:
            self._let_go()
        return self._seq

    def arrived(self, seq: int) -> None:
        """The client has everything up to this number: all but the last of it need not be kept."""
        if seq <= self._arrived_seq:
            return
        self._arrived_seq = seq
        on_its_way = sum(size(message) for number, message in self._kept if number > seq)
        while self._kept and self._bytes - on_its_way > ARRIVED_BYTES:
            self._let_go()

    def missed(self, after: int) -> deque[tuple[int, ServerMessage]] | None:
        """Everything that left after number `after`; None when part of it is no longer known, or was never sent."""
        oldest = self._kept[0][0] if self._kept else self.next_seq
        if not oldest - 1 <= after <= self._seq:
            return None
        return deque(entry for entry in self._kept if entry[0] > after)

    def _let_go(self) -> None:
        self._bytes -= size(self._kept.popleft()[1])


def size(message: ServerMessage) -> int:
    """Bytes that it counts for."""
    return len(message.pcm) if isinstance(message, AudioChunk) else MESSAGE_BYTES
