"""What a model session hears of the person: at its own rate, and kept until it has made use of it."""

from __future__ import annotations

from attrs import define, field

from neko.audio.given import Given
from neko.audio.ledger import Heard, Ledger
from neko.audio.noise import Ears, ears
from neko.audio.resample import SpeechResampler


@define(eq=False)
class Hearing:
    """`hz` is the rate of the sound that the session is given; None: it is deaf."""

    hz: int | None
    ledger: Ledger
    tells_speech: bool
    noise_suppression: int
    given: Given = field(init=False)
    _ears: Ears | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.given = Given(self.hz or 0, self.ledger, tells_speech=self.tells_speech)

    def take_in(self, pcm: bytes, sample_rate: int) -> bytes:
        """The person's sound as the session takes it, entered as given: one that is lost when it is sent has not made
        use of it.
        """
        if self.hz is None:
            self.ledger.heard(Heard.DEAF, len(pcm), sample_rate)
            return b""
        held_back = b""
        if self._ears is None or self._ears.from_hz != sample_rate:
            held_back = self._ears.flush() if self._ears else b""
            self._ears = ears(sample_rate, self.hz, noise_suppression=self.noise_suppression)
        sound = held_back + self._ears.push(pcm)
        if sound:
            self.given.add(sound)
        return sound

    def hand_to(self, new: Hearing) -> bytes:
        """What another session is to be sent of it, at its rate; that one has it from now on."""
        sound = self._sound_for(new)
        if sound:
            new.given.carry(sound, wanted=self.given.wanted)
        if new.hz is None:
            self.given.end()
        else:
            self.given.hand_over()
        return sound

    def end(self) -> None:
        """Nobody will make use of it."""
        if self._ears is not None:
            self.given.add(self._ears.flush())
            self._ears = None
        self.given.end()

    def _sound_for(self, new: Hearing) -> bytes:
        hearing, self._ears = self._ears, None
        if new.hz is None:
            return b""
        if self.given.hz == new.hz and self.noise_suppression == new.noise_suppression:
            # What the filter holds back comes out with the sound that comes next.
            new._ears = hearing
            return self.given.pcm
        if hearing is not None:
            self.given.add(hearing.flush())
        between = SpeechResampler(self.given.hz or new.hz, new.hz)
        return between.push(self.given.pcm) + between.flush()
