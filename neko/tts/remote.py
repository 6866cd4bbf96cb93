"""A voice that speaks on somebody else's computer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import ClassVar

from attrs import frozen

from neko.tts.errors import VoiceFailed
from neko.tts.setup import Setup, own_or
from neko.tts.speakable import speakable
from neko.tts.voice import whole_samples

SENTENCES_AT_ONCE = 3  # in the making: enough to hide their latency, cheap to throw away


@frozen
class RemoteVoice(ABC):
    """What such voices have in common; `sound` is each one's own. Several sentences are asked for at once.

    `url`, `model` and `speaker` are what the configuration says, or else the constants.
    """

    KIND: ClassVar[str]
    URL: ClassVar[str]
    MODEL: ClassVar[str]
    VOICE: ClassVar[str]

    HZ: ClassVar[int] = 24_000
    AT_ONCE: ClassVar[int] = SENTENCES_AT_ONCE

    voice_id: str
    setup: Setup

    def __attrs_post_init__(self) -> None:
        self.setup.require_key(self.KIND, self.url)
        self.setup.rate(self.HZ)

    @property
    def rate(self) -> int:
        return self.setup.rate(self.HZ)

    def synthesize(self, text: str) -> Iterator[bytes]:
        """As `Voice` has it."""
        spoken = speakable(text)
        if spoken:
            with closing(self.sound(spoken)) as pieces:
                samples = whole_samples(pieces, self.rate)
                first = next(samples, None)
                if first is None:
                    raise VoiceFailed(self.who, "made no sound")
                yield first
                yield from samples

    @abstractmethod
    def sound(self, text: str) -> Generator[bytes]:
        """PCM16 mono at `rate`, in pieces as they come, whatever their size.

        Blocks a thread of Trio's: what it waits for goes through `setup.lines`. Raises `VoiceFailed`.
        """
        ...

    def check(self) -> str:
        """Asks the vendor for what costs nothing, and says in words what came of it; blocks as `sound` does.

        Raises `VoiceFailed` when the voice cannot be used.
        """
        return f"configured for {self.url}, not tried: it could only be asked to speak"

    @property
    def who(self) -> str:
        return f"the voice {self.KIND}"

    @property
    def url(self) -> str:
        return self.setup.url(self.URL)

    @property
    def model(self) -> str:
        return self.setup.model(self.MODEL)

    @property
    def speaker(self) -> str:
        """The vendor's name of the voice."""
        return own_or(self.VOICE, self.voice_id)
