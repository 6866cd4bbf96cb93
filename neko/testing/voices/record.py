"""What a test sees of a server of voices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from neko.testing.bell import Bell
from neko.testing.voices.script import Script, VoiceRequest


class VoiceServer:
    """`requests`: every one, in order. `said`: of each, the pieces that were given to the network.

    `open`: answers that are being given right now; `most_open`: the most there ever were. `scripts`: what the requests
    get, in turn, the last one for all that follow; may be replaced at any time.
    """

    def __init__(self, url: str, scripts: tuple[Script, ...]) -> None:
        self.url = url
        self.scripts = scripts
        self.requests: list[VoiceRequest] = []
        self.said: list[int] = []
        self.open = 0
        self.most_open = 0
        self.bell = Bell()

    async def asked(self, count: int) -> None:
        """Waits until so many requests have come in all."""
        await self.bell.until(lambda: len(self.requests) >= count)

    async def has_said(self, number: int, pieces: int) -> None:
        """Waits until so many pieces of an answer have been given to the network."""
        await self.bell.until(lambda: len(self.said) > number and self.said[number] >= pieces)

    async def left(self) -> None:
        """Waits until nobody listens to any answer."""
        await self.bell.until(lambda: self.open == 0)

    @contextmanager
    def answering(self, request: VoiceRequest) -> Iterator[tuple[int, Script]]:
        """The number of the request, and the script for it."""
        number = len(self.requests)
        self.requests.append(request)
        self.said.append(0)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        self.bell.ring()
        try:
            yield number, self.scripts[min(number, len(self.scripts) - 1)]
        finally:
            self.open -= 1
            self.bell.ring()

    def count(self, number: int) -> None:
        """One more piece was given to the network."""
        self.said[number] += 1
        self.bell.ring()
