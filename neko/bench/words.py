"""How much of what was said was understood."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jiwer

if TYPE_CHECKING:
    from collections.abc import Sequence

# Case and punctuation are not audible; everything else counts, "it's" for "it is" too.
_NORMAL = jiwer.Compose(
    [
        jiwer.ToLowerCase(),
        jiwer.RemovePunctuation(),  # type: ignore[no-untyped-call]
        jiwer.RemoveMultipleSpaces(),
        jiwer.Strip(),
        jiwer.ReduceToListOfListOfWords(),
    ]
)


def word_error_rate(said: Sequence[str], heard: Sequence[str]) -> float:
    """Substituted, deleted and inserted words over all sentences, per word said."""
    rate: float = jiwer.wer(list(said), list(heard), reference_transform=_NORMAL, hypothesis_transform=_NORMAL)
    return rate
