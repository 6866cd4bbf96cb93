"""A voice that says nothing: for characters that are only read."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from neko.tts.setup import PLAIN, Setup


@frozen
class SilentVoice:
    """A `Voice`."""

    rate: int = 24_000  # of no sound; a stand-in's is brought to it

    def synthesize(self, _text: str) -> Iterator[bytes]:
        return iter(())


def open_voice(_voice_id: str, _setup: Setup = PLAIN) -> SilentVoice:
    """Any id will do."""
    return SilentVoice()
