"""Whether what a microphone heard is the character's own voice, come back from a loudspeaker."""

from __future__ import annotations

import unicodedata

from rapidfuzz import fuzz, utils

ALIKE = 80  # of 100; recognition of a voice across a room gets one letter in five wrong
# Columns, of which a Chinese or Japanese character takes two; what is shorter people say themselves: "yes", "好的".
SHORTEST = 8
WIDE = {"W", "F"}


def is_echo(heard: str, said: str) -> bool:
    """`said` is what the character has said aloud lately: all of `heard` must be in it, in one stretch.

    Who quotes the character and adds words of their own is no echo.
    """
    heard, said = utils.default_process(heard), utils.default_process(said)
    if _columns(heard) < SHORTEST:
        return False
    # The partial ratio looks for the shorter one in the longer one, whichever that is.
    alike = fuzz.partial_ratio if len(heard) <= len(said) else fuzz.ratio
    return bool(alike(heard, said) >= ALIKE)


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(each) in WIDE else 1 for each in text if each.isalnum())
