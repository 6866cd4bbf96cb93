"""What a recap says of older talk that has to do with the last words, and of the time that has passed since."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from neko.conversation.history import Role, Utterance
from neko.conversation.recap import BETWEEN, MESSAGE_TOKENS, RECAP_TOKENS, Recap, named
from neko.conversation.tokens import beginning, tokens

ABOUT = 3  # of the person's last utterances: what is talked of
RECALLED_TOKENS = 300  # six to twelve utterances; the rest of the recap's room is for what is said next
EACH_TOKENS = 80  # of one utterance: a long one says in its beginning what it is about
PAUSE_S = 3_600.0  # after which somebody comes back, instead of going on
RECALLED, PAUSED = "From older talk, perhaps of use: ", "The last of this was said {}."
MINUTE, HOUR, DAY, MONTH, YEAR = 60, 3_600, 86_400, 30 * 86_400, 365 * 86_400
UNITS = (("year", YEAR), ("month", MONTH), ("day", DAY), ("hour", HOUR), ("minute", MINUTE))


def topic(utterances: Sequence[Utterance]) -> str:
    """The words to look for in older talk."""
    return " ".join([each.text for each in utterances if each.role is Role.USER][-ABOUT:])


def ago(seconds: float) -> str:
    """In the largest unit of which there are at least two, "a moment ago" when there is none."""
    for unit, length in UNITS:
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}s ago"
    return "a moment ago"


def asides(told: Recap, recalled: Iterable[Utterance], *, person: str, character: str, now: float) -> tuple[str, ...]:
    """Lines after the recap, as far as it leaves them room: behind everything else, since they change each time and
    what stands before them is then still a prefix that was read. `recalled`: what matters most first.
    """
    room = RECAP_TOKENS - _size(told)
    lines = list[str]()
    if told.verbatim and now - told.verbatim[-1].at >= PAUSE_S:
        pause = PAUSED.format(ago(now - told.verbatim[-1].at))
        room -= tokens(pause) + MESSAGE_TOKENS
        lines += [pause] if room >= 0 else []
    older = _recalled(recalled, min(room, RECALLED_TOKENS), person, character, now)
    return (*lines, older) if older else tuple(lines)


def _recalled(recalled: Iterable[Utterance], room: int, person: str, character: str, now: float) -> str:
    room -= tokens(RECALLED) + MESSAGE_TOKENS
    chosen = list[tuple[int, str]]()
    for each in recalled:
        text = " ".join(beginning(each.text, EACH_TOKENS).split())
        piece = f"{named(each.role, person, character)}, {ago(now - each.at)}: {text}"
        room -= tokens(piece + BETWEEN)
        if room < 0:
            break
        chosen.append((each.number, piece))
    return RECALLED + BETWEEN.join(piece for _, piece in sorted(chosen)) if chosen else ""


def _size(told: Recap) -> int:
    verbatim = sum(tokens(each.text) + MESSAGE_TOKENS for each in told.verbatim)
    return verbatim + (tokens(told.earlier) + MESSAGE_TOKENS if told.earlier else 0)
