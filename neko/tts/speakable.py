"""What of a text can be spoken: written ornaments are for the eye."""

from __future__ import annotations

import re

_PICTURES = (
    "[\U0001f000-\U0001faff"  # emoji
    "\u2600-\u27bf\u2b00-\u2bff"  # weather, hearts, stars, arrows
    "\U000e0020-\U000e007f"  # flags of regions
    "\ufe0e\ufe0f\u200d\u20e3]+"  # what joins and colours them
)
_RULES = tuple(
    (re.compile(pattern, re.MULTILINE), instead)
    for pattern, instead in (
        (r"!?\[([^\]]*)\]\([^)]*\)", r"\1"),  # the words of a link or a picture, not its address
        (r"https?://\S+", " "),
        (r"[*`~]+", ""),  # emphasis
        (r"^[ \t]*(?:>|#+|[-+])[ \t]", ""),  # quotes, headings, lists
        (r"[_|#]+", " "),  # names such as a_b, tables
        (_PICTURES, " "),
        (r"[ \t]+(?=[,.;:!?…]|$)", ""),
        (r"[ \t]+", " "),
    )
)


def speakable(text: str) -> str:
    """The text as a person would read it aloud; "" when nothing is left but signs."""
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return text.strip() if any(character.isalnum() for character in text) else ""
