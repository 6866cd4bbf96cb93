"""A client as the server knows it, over all the connections that it resumes."""

from __future__ import annotations

from attrs import define, field

from neko.protocol.client import AudioFraming
from neko.protocol.codec import ClientCodec


@define(eq=False)
class Guest:
    """A connection that resumes has the guest of the one before it; any other has one of its own."""

    framing: AudioFraming  # how it takes speech
    mouth: bool = False  # it wants to know how loud speech is
    codec: ClientCodec = field(factory=ClientCodec)  # knows the rate of its microphone
    received: int = 0  # frames of it that were read, each `resume` left out: what it sent after those is lost

    def wants(self, framing: AudioFraming | None, mouth: bool | None) -> None:
        """None: as before."""
        self.framing = framing or self.framing
        self.mouth = self.mouth if mouth is None else mouth
