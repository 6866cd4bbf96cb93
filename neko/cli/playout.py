"""Speech on its way to the loudspeaker: filled by one thread, emptied by another, stopped at once."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from attrs import frozen

from neko.audio.fade import FADE_MS, faded_beginning
from neko.audio.pcm import bytes_for, duration_ms
from neko.protocol.codec import SPEECH_HZ

if TYPE_CHECKING:
    from neko.protocol.server import AudioChunk

REPORT_EVERY_MS = 200  # about a word; on a barge-in the server remembers no more than was reported
FADE = bytes_for(FADE_MS, SPEECH_HZ)
BACKLOG = 30_000  # chunks, 20 min of 40 ms; a reply that runs so far ahead of its sound has gone wrong


@frozen
class Heard:
    """How much of a speech has reached the person."""

    speech_id: str
    played_ms: float


class Playout:
    """PCM16 mono at 48 kHz. `push` and `stop` belong to the Trio thread, `pull` to the sound card's.

    No lock: a deque's own operations are atomic, and `stop` puts a new pair of queues in place of the old one, so that
    the rest of a chunk that `pull` has in hand at that moment goes back to where it is looked for.
    """

    def __init__(self) -> None:
        self._queues = (_queue(), _queue())  # what is to be played, and what was to be when it was stopped
        self._speech_id = ""
        self._played = 0  # bytes of that speech
        self._reported = 0

    def push(self, chunk: AudioChunk) -> None:
        """Plays a piece of speech after what is queued already."""
        self._queues[0].append((chunk.speech_id, chunk.pcm))

    def stop(self) -> None:
        """Silence from the next block on, but for the fade of what is being played."""
        queue, stopped = self._queues
        self._queues = (_queue(), stopped or queue)

    def pull(self, size: int) -> tuple[bytes, Heard | None]:
        """The next `size` bytes, silence where there is no speech; and what was heard, when it is time to say so."""
        queue, stopped = self._queues
        block = self._fade(stopped, size)
        block += self._take(queue, size - len(block))
        return block.ljust(size, b"\0"), self._report(ended=not queue)

    def _fade(self, stopped: deque[tuple[str, bytes]], size: int) -> bytes:
        """A speech that has not begun ends without a sound."""
        begun = bool(stopped) and stopped[0][0] == self._speech_id
        last = self._take(stopped, min(size, FADE)) if begun else b""
        stopped.clear()
        return faded_beginning(last, SPEECH_HZ)

    def _take(self, queue: deque[tuple[str, bytes]], size: int) -> bytes:
        block = bytearray()
        while queue and len(block) < size:
            speech_id, pcm = queue.popleft()
            taken = pcm[: size - len(block)]
            if len(taken) < len(pcm):
                queue.appendleft((speech_id, pcm[len(taken) :]))
            block += taken
            self._count(speech_id, len(taken))
        return bytes(block)

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


def _queue() -> deque[tuple[str, bytes]]:
    return deque(maxlen=BACKLOG)
