"""What one reply of the pretended model consists of, piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neko.testing.exchange import Reply, ReplyArguments, ReplySound, ReplyWords
from neko.testing.tagged import BLOCK_MS, tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from neko.testing.behaviour import Behaviour


ARGUMENTS = 12  # characters of JSON in one delta: about what four tokens are


def utter(
    reply: Reply, behaviour: Behaviour, rate: int, take_blocks: Callable[[int], int]
) -> Iterator[tuple[ReplyWords | ReplySound | ReplyArguments, ...]]:
    """What belongs to each `delta_ms`: words and speech, one word of a silent reply, or a piece of a tool call.

    `take_blocks(n)` numbers the next n tagged blocks and returns the first number.
    """
    if reply.refused:
        return
    if reply.call is not None:
        yield from _arguments(reply)
        return
    words = reply.text.split()
    steps = max(1, -(-behaviour.response_ms // behaviour.delta_ms)) if reply.speaks else len(words)
    for step in range(steps):
        said = " ".join(words[: (step + 1) * len(words) // steps])
        length_ms = min(behaviour.delta_ms, behaviour.response_ms - reply.spoken_ms) if reply.speaks else 0
        yield (*_words(reply, said), *_sound(reply, length_ms, rate, take_blocks))


def _arguments(reply: Reply) -> Iterator[tuple[ReplyArguments]]:
    for at in range(0, len(reply.text), ARGUMENTS):
        more = reply.text[at : at + ARGUMENTS]
        reply.said += more
        yield (ReplyArguments(reply, more),)


def _words(reply: Reply, said: str) -> Iterator[ReplyWords]:
    more, reply.said = said[len(reply.said) :], said
    if more:
        yield ReplyWords(reply, more)


def _sound(reply: Reply, length_ms: int, rate: int, take_blocks: Callable[[int], int]) -> Iterator[ReplySound]:
    count = length_ms // BLOCK_MS
    if count:
        first = take_blocks(count)
        reply.spoken_ms += length_ms
        yield ReplySound(reply, range(first, first + count), tag(first, count, rate))
