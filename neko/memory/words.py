"""What full-text search sees of a text: words, and each character of a script that has no spaces by itself.

FTS5's own tokenizers know one of the two: `unicode61` takes a Chinese sentence for one word, and `trigram` finds no
word of two characters, as most of Chinese and Japanese are, and knows no words of Latin. With a space around each such
character `unicode61` does both: 京都 is found as the phrase 京 + 都.
"""

from __future__ import annotations

import re

# Han, kana, Thai, Lao, Burmese and Khmer; Korean has spaces. Written out, since what was indexed with one version of
# Python's own tables has to be found with the next.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_UNSPACED = re.compile(f"([{UNSPACED}])")
_TERM = re.compile(r"\w+")
_RUN = re.compile(f"[{UNSPACED}]+")
QUERY_TERMS = 24  # of a long text; each costs a look into the index
SHORTEST = 3  # letters of a word by which older talk is recalled; shorter ones are in every sentence
PAIR = 2  # characters: what most words of Chinese and Japanese have


def spaced(text: str) -> str:
    """The text as it is indexed."""
    return _UNSPACED.sub(r" \1 ", text)


def all_of(query: str) -> str:
    """FTS5 query for what has every word of it, the last one perhaps unfinished; "" when there is no word in it."""
    terms = _TERM.findall(query)
    return " ".join(_phrase(term) for term in terms) + ("*" if terms else "")


def terms_of(text: str) -> list[str]:
    """FTS5 queries, one for each word of the text, or pair of characters where words have no ends; the last ones."""
    terms = dict.fromkeys(term for word in _TERM.findall(text.lower()) for term in _cut(word))
    return [_phrase(term) for term in [*terms][-QUERY_TERMS:]]


def _cut(word: str) -> list[str]:
    unspaced = [pair for run in _RUN.findall(word) for pair in _pairs(run)]
    return unspaced + [rest for rest in _RUN.split(word) if len(rest) >= SHORTEST]


def _pairs(run: str) -> list[str]:
    return [run[at : at + PAIR] for at in range(len(run) - PAIR + 1)]


def _phrase(term: str) -> str:
    """`\\w` has no quotation mark."""
    return f'"{spaced(term).strip()}"'
