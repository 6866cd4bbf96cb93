"""A microphone that hears recordings: frames in real time, silence between them."""

from __future__ import annotations

from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NoReturn

import trio

from neko.audio.pcm import bytes_for, pieces

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from neko.client.character import CharacterClient

FRAME_MS = 20  # what browsers and telephones send
FRAME_S = FRAME_MS / 1000


class RecordedMicrophone:
    """Sends what it hears as a real microphone does: each 20 ms frame when its last sample has sounded.

    Real time, because the server drops the oldest sound of a microphone that runs ahead of it, and because some
    providers measure the end of speech by the clock and not by the sound.
    """

    def __init__(self, client: CharacterClient, sample_rate: int) -> None:
        self._client = client
        self._rate = sample_rate
        self._silence = bytes(bytes_for(FRAME_MS, sample_rate))
        self._frames: deque[bytes] = deque()
        self._next_at = trio.current_time()

    def say(self, pcm: bytes) -> float:
        """Plays PCM16 mono at the microphone's rate from its next frame on, after what it already plays.

        Only inside `listening`. Returns when its first sample sounds, in `trio.current_time()`.
        """
        begins_at = self._next_at + len(self._frames) * FRAME_S
        self._frames.extend(pieces(pcm, FRAME_MS, self._rate))
        return begins_at

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """The microphone is on inside this context, and off when it is left."""
        self._next_at = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run)
            yield
            nursery.cancel_scope.cancel()

    async def _run(self) -> NoReturn:
        # The sleep is no delay: here it is the air that the sound travels through.
        while True:
            frame = self._frames.popleft() if self._frames else self._silence
            self._next_at += FRAME_S
            await trio.sleep_until(self._next_at)
            await self._client.send_audio(frame, self._rate)
