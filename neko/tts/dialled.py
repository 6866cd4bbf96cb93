"""A voice that is reached over a WebSocket, with a connection for each sentence."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterator

from attrs import frozen

from neko.tts.lines import Call
from neko.tts.remote import RemoteVoice


@frozen
class DialledVoice(RemoteVoice):
    """What such voices have in common; `converse` is each one's own."""

    @property
    def address(self) -> str:
        """What is dialled."""
        return self.url

    def sound(self, text: str) -> Generator[bytes]:
        with self.setup.lines.dialled(self.who, self.address, self.setup.bearer) as call:
            yield from self.converse(call, text)

    def check(self) -> str:
        with self.setup.lines.dialled(self.who, self.address, self.setup.bearer):
            return f"{self.url} takes the key"

    @abstractmethod
    def converse(self, call: Call, text: str) -> Iterator[bytes]:
        """As `sound`, over a connection that has just shaken hands."""
        ...
