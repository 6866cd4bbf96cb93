"""How much of a speech the person has heard: milliseconds, and the words that belong to them."""

from __future__ import annotations

from attrs import define, field


@define
class Playout:
    """One speech on its way to the person's ear. Times are seconds of any one clock.

    Sound is played as soon as it arrives and without a gap while there is some; what the client
    reports with `playback` replaces that assumption.
    """

    sent_ms: float = 0.0
    text: str = ""
    _ends_at: float = 0.0
    _drained_ms: float = 0.0  # had been heard when the loudspeaker had nothing left the last time
    _marks: list[tuple[float, int]] = field(factory=list)  # (ms sent, characters told) when the words came

    def told(self, text: str) -> None:
        """These words were told; the sound sent after now is theirs."""
        self._marks.append((self.sent_ms, len(self.text)))
        self.text += text

    def sent(self, ms: float, now: float) -> None:
        """So much sound went out."""
        self.sent_ms += ms
        self._ends_at = max(now, self._ends_at) + ms / 1000

    def taken_back(self, ms: float) -> None:
        """So much of it, the last, did not go out after all."""
        self.sent_ms = round(self.sent_ms - ms, 6)  # exact to the sample: when all was taken back, nothing was sent
        self._ends_at -= ms / 1000

    def late(self, ms: float, now: float) -> None:
        """So much of it, the last, has not reached the client yet."""
        if ms > 0:
            self._ends_at = max(self._ends_at, now + ms / 1000)

    def reported(self, played_ms: float, now: float) -> None:
        """The client has played so much of it; a number outside of what was sent is a client's mistake, and bounded."""
        self._ends_at = now + (self.sent_ms - min(max(played_ms, 0.0), self.sent_ms)) / 1000

    def begins(self, now: float) -> None:
        """The loudspeaker begins, or goes on after it had nothing left."""
        self.reported(self._drained_ms, now)

    def drained(self, now: float) -> None:
        """The loudspeaker has nothing left: all that was sent until now has been heard."""
        self._drained_ms = self.sent_ms
        self.reported(self.sent_ms, now)

    @property
    def ends_at(self) -> float:
        """When all that was sent has been played."""
        return self._ends_at

    def playing(self, now: float) -> bool:
        return self.sent_ms > 0 and self._ends_at > now

    def heard_ms(self, now: float) -> float:
        return self.sent_ms - max(0.0, self._ends_at - now) * 1000

    def heard_text(self, now: float) -> str:
        """The words heard by now: whole stretches, and of the stretch being spoken its share in whole words.

        Words whose sound has not begun were not heard.
        """
        heard = self.heard_ms(now)
        ends = [*self._marks, (self.sent_ms, len(self.text))][1:]
        for (from_ms, begin), (to_ms, end) in zip(self._marks, ends, strict=True):
            if heard <= from_ms:
                return self.text[:begin].rstrip()
            if heard < to_ms:
                return _whole_words(self.text, begin + int((end - begin) * (heard - from_ms) / (to_ms - from_ms)))
        return self.text.rstrip()


def _whole_words(text: str, cut: int) -> str:
    """The text up to the last word that is whole at `cut`; writing without spaces is cut where it is."""
    if cut >= len(text) or text[cut].isspace() or not any(char.isspace() for char in text.strip()):
        return text[:cut].rstrip()
    return text[: len(text[:cut]) - len(text[:cut].split(" ")[-1])].rstrip()
