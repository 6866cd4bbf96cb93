"""Where what somebody is saying just now began, where no provider tells: by its loudness."""

from __future__ import annotations

from neko.audio.loudness import loud
from neko.audio.pcm import bytes_for

PAUSE_MS = 100  # within what somebody says; no provider takes a shorter silence for its end
ANSWERED_WITHIN_MS = 2_000  # of its end; what is loud for longer than that is the room, or is what is answered


class Onset:
    """Of the person's sound at `hz`, in the order in which it is pushed."""

    def __init__(self, hz: int) -> None:
        self._hz = hz
        self._pause = bytes_for(PAUSE_MS, hz)
        self._latest = bytes_for(ANSWERED_WITHIN_MS, hz)
        self._since = 0  # bytes since the last pause, and the pause itself
        self.hush = self._pause  # bytes since the last loud ones
        self.begun = 0  # how often somebody began to say something, since whoever owns this set it

    def push(self, pcm: bytes) -> bool:
        """Whether any of it is loud."""
        heard = False
        for size, is_loud in loud(pcm, self._hz):
            if not is_loud:
                self.hush += size
            else:
                if self.hush >= self._pause:
                    self._since, self.begun = self._pause, self.begun + 1
                self.hush, heard = 0, True
            self._since += size
        return heard

    @property
    def going_on(self) -> int:
        """So many of the last bytes are what somebody has begun to say and goes on saying: no answer can be to them."""
        return self._since if self.hush < self._pause and self._since <= self._latest else 0
