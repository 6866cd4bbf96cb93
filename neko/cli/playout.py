"""Speech on its way to the loudspeaker: filled by one thread, emptied by another, stopped at once."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from attrs import frozen

from neko.audio.pcm import duration_ms
from neko.protocol.codec import SPEECH_HZ

if TYPE_CHECKING:
    from neko.protocol.server import AudioChunk

REPORT_EVERY_MS = 200  # about a word; on a barge-in the server remembers no more than was reported
BACKLOG = 30_000  # chunks, 20 min of 40 ms; a reply that runs so far ahead of its sound has gone wrong


@frozen
class Heard:
    """How much of a speech has reached the person."""

    speech_id: str
    played_ms: float


class Playout:
    """PCM16 mono at 48 kHz. `push` and `stop` belong to the Trio thread, `pull` to the sound card's.

    No lock: a deque's own operations are atomic, and `stop` replaces the whole queue, so that the rest of a chunk
    that `pull` has in hand at that moment goes back into a queue that nobody reads.
    """

    def __init__(self) -> None:
        self._queue: deque[tuple[str, bytes]] = deque(maxlen=BACKLOG)
        self._speech_id = ""
        self._played = 0  # bytes of that speech
        self._reported = 0

    def push(self, chunk: AudioChunk) -> None:
        """Plays a piece of speech after what is queued already."""
        self._queue.append((chunk.speech_id, chunk.pcm))

    def stop(self) -> None:
        """Silence from the next block on."""
        self._queue = deque(maxlen=BACKLOG)

    def pull(self, size: int) -> tuple[bytes, Heard | None]:
        """The next `size` bytes, silence where there is no speech; and what was heard, when it is time to say so."""
        queue = self._queue
        block = bytearray()
        while queue and len(block) < size:
            speech_id, pcm = queue.popleft()
            taken = pcm[: size - len(block)]
            if len(taken) < len(pcm):
                queue.appendleft((speech_id, pcm[len(taken) :]))
            block += taken
            self._count(speech_id, len(taken))
        return bytes(block.ljust(size, b"\0")), self._report(ended=not queue)

    def _count(self, speech_id: str, size: int) -> None:
        if speech_id != self._speech_id:
            self._speech_id, self._played, self._reported = speech_id, 0, 0
        self._played += size

    def _report(self, *, ended: bool) -> Heard | None:
        unreported_ms = duration_ms(self._played - self._reported, SPEECH_HZ)
        if unreported_ms == 0 or (unreported_ms < REPORT_EVERY_MS and not ended):
            return None
        self._reported = self._played
        return Heard(self._speech_id, duration_ms(self._played, SPEECH_HZ))
