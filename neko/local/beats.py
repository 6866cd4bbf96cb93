"""An answer as it is made: words, and the sound of them, in the order in which the client gets them."""

from __future__ import annotations

from attrs import field, frozen

# Beats, most of them 100 ms of sound: a first phrase that was made on suspicion finds room here. Full: the voice waits.
BEATS_AHEAD = 32


@frozen
class Written:
    """Words that are only read."""

    text: str = field(repr=False)


@frozen
class Told:
    """Words whose sound comes next."""

    text: str = field(repr=False)


@frozen
class Sound:
    """PCM16 mono at 24 kHz, at most 100 ms."""

    pcm: bytes = field(repr=lambda pcm: f"<{len(pcm)} bytes>")


@frozen
class Broke:
    """An engine failed; nothing comes after it."""

    message: str


Beat = Written | Told | Sound | Broke
