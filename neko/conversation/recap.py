"""What a model that was not there is told of a conversation: a line about its beginning, the rest word for word."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence
from typing import assert_never

from attrs import evolve, frozen

from neko.conversation.history import Role, Utterance
from neko.conversation.tokens import ASTRAL, LETTER, beginning, tokens

# The smallest context here is one slot of the embedded model: 4,096 tokens. The estimate may be a fifth too low in
# everyday talk; persona, examples, what is said next and the answer have the other 1,700.
RECAP_TOKENS = 2_000
EARLIER_TOKENS = 500  # of that for the line about the beginning: what was talked of in the last 30 to 60 exchanges
VERBATIM_TOKENS = RECAP_TOKENS - EARLIER_TOKENS
KEPT_TOKENS = VERBATIM_TOKENS // 2  # left word for word when there are too many: the next 750 then change no prefix
MESSAGE_TOKENS = 5  # the role and the marks around each message in ChatML
GIST_TOKENS = 24  # of an utterance in the line about the beginning; a spoken sentence has 10 to 20
GIST_CHARACTERS = 200  # looked at for its first sentence
# Utterances. No recap holds more than 250 word for word, so that what came before two of these is never told; the
# blocks count from the first number of the conversation, so that they stay where they are when old ones are forgotten.
BLOCK = 256

NOTE = "Note"
EARLIER, BETWEEN, ELLIPSIS = "Earlier: ", " / ", "…"
_SENTENCE = re.compile(r".*?\w.*?(?:[。！？]|[.!?…]+(?=\s|$)|$)")


@frozen
class Recap:
    """`earlier` is one line, "" when nothing was left out; together they take at most `RECAP_TOKENS`."""

    earlier: str
    verbatim: tuple[Utterance, ...]


def recap(utterances: Sequence[Utterance], *, person: str, character: str) -> Recap:
    """The utterances as a model is to be told them; the youngest is always there.

    Append-only, so that prefix caches hold: as the conversation grows, `verbatim` grows at its end and nothing else
    changes, until there are more than `VERBATIM_TOKENS`. Then the older half of them moves into `earlier` at once.
    """
    whole = [evolve(utterance, text=_shortened(utterance.text)) for utterance in _recent(utterances)]
    border = _border([tokens(utterance.text) + MESSAGE_TOKENS for utterance in whole])
    gists = (f"{named(older.role, person, character)}: {_gist(older.text)}" for older in reversed(whole[:border]))
    return Recap(_earlier(gists), tuple(whole[border:]))


def _recent(utterances: Sequence[Utterance]) -> Sequence[Utterance]:
    first = (utterances[-1].number // BLOCK - 1) * BLOCK if utterances else 0
    return [utterance for utterance in utterances if utterance.number >= first]


def _shortened(text: str) -> str:
    """An utterance that is longer than everything that may be told is told in part."""
    limit = VERBATIM_TOKENS - MESSAGE_TOKENS
    surely, possibly = len(text) * ASTRAL <= limit, len(text) * LETTER <= limit  # most need no counting
    if surely or (possibly and tokens(text) <= limit):
        return text
    cut = beginning(text, limit - tokens(ELLIPSIS))
    return cut.rstrip() + ELLIPSIS if len(cut) < len(text) else text


def _border(costs: Sequence[int]) -> int:
    """How many of the oldest are no longer told word for word. The same for every beginning of the conversation."""
    border = held = 0
    for youngest, cost in enumerate(costs):
        held += cost
        room = KEPT_TOKENS if held > VERBATIM_TOKENS else VERBATIM_TOKENS
        while held > room and border < youngest:
            held -= costs[border]
            border += 1
    return border


def _earlier(youngest_first: Iterable[str]) -> str:
    room = EARLIER_TOKENS - MESSAGE_TOKENS - tokens(EARLIER)
    told = deque[str]()
    for gist in youngest_first:
        room -= tokens(gist + BETWEEN)
        if room < 0:
            break
        told.appendleft(gist)
    return EARLIER + BETWEEN.join(told) if told else ""


def _gist(text: str) -> str:
    """Its first sentence, or the beginning of that."""
    line = " ".join(text[:GIST_CHARACTERS].split())
    sentence = match[0] if (match := _SENTENCE.match(line)) else line
    gist = beginning(sentence, GIST_TOKENS)
    return gist if gist == sentence else gist.rstrip() + ELLIPSIS


def named(role: Role, person: str, character: str) -> str:
    match role:
        case Role.USER:
            return person
        case Role.ASSISTANT:
            return character
        case Role.SYSTEM:
            return NOTE
        case _:
            assert_never(role)
