"""Sound in line: what comes last stands behind, what came first is taken first."""

from __future__ import annotations

from collections import deque


class SoundLine:
    """Kept in the pieces in which it came: one buffer that grows behind and shrinks in front would be copied all the
    time, and its copies would leave holes of its size in the memory of a process with many of them.
    """

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0

    def __len__(self) -> int:
        """Bytes."""
        return self._size

    def __bytes__(self) -> bytes:
        return b"".join(self._pieces)

    def add(self, pcm: bytes) -> None:
        if pcm:
            self._pieces.append(pcm)
            self._size += len(pcm)

    def take(self, size: int) -> bytes:
        """The oldest, so many bytes of it or all there are; none for a size below 0."""
        size = min(size, self._size)
        taken: list[bytes] = []
        while size > 0:
            piece = self._pieces.popleft()
            if len(piece) > size:
                self._pieces.appendleft(piece[size:])
                piece = piece[:size]
            taken.append(piece)
            size -= len(piece)
            self._size -= len(piece)
        return b"".join(taken)
