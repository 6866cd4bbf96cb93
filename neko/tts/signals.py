"""What a worker says of its work, between the sounds in its response queue.

An interruption is a cancel: the worker's last word is then `Ended(interrupted=True)`, or, where the queue is full and
nobody will play what is in it, the closed queue. The end of an utterance is asked for by closing the request queue.
"""

from __future__ import annotations

from attrs import frozen


@frozen
class Ready:
    """The worker takes texts; its sound is PCM16 mono at so many samples per second, from first to last."""

    rate: int


@frozen
class Began:
    """The sound that follows is this text's."""

    text: str


@frozen
class Failed:
    """A voice failed at a text. Where `instead` is None, what has not been spoken of it is lost.

    `news`: the person has not been told of this outage, nor of another in this utterance; or another voice takes over
    from here.
    """

    voice: str
    text: str
    why: str
    instead: str | None
    news: bool

    def __str__(self) -> str:
        if self.instead is None:
            return f"{self.why}; a sentence was lost, the next one is tried again"
        return f"{self.why}; the voice {self.instead} speaks instead, until it is back"


@frozen
class Ended:
    """Nothing more comes."""

    interrupted: bool = False


Signal = Ready | Began | Failed | Ended
Response = bytes | Signal
