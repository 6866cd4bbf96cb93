"""The rows of the swap benchmark: what was counted and timed, and the bars that neko's own rows must reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from attrs import asdict, frozen

from neko.bench.swap_count import Fate, arrived, shared, spoken
from neko.bench.swap_play import Kind
from neko.bench.swap_seam import DELTA_MS, departures, seam
from neko.client.microphone import FRAME_MS
from neko.testing import TagReader
from neko.testing.tagged import BLOCK_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from neko.bench.swap_count import Hearing
    from neko.bench.swap_play import Conversation, Play, Turn

NEKO = "neko"
KEPT_WAITING = 0.05  # on a core of its own a server waits for the kernel alone, a hundredth of the time
NOISE_MS = 10.0  # half a microphone frame: utterances begin and end with a frame, and the frames of no two runs align
CLIENT_HZ = 48_000


@frozen
class Quantiles:
    """Of `n` values in milliseconds; None when there are none."""

    n: int
    p50: float | None
    p99: float | None

    @classmethod
    def of(cls, values: Iterable[float]) -> Quantiles:
        got = list(values)
        if not got:
            return cls(0, None, None)
        p50, p99 = np.percentile(got, [50, 99])
        return cls(len(got), round(float(p50), 1), round(float(p99), 1))


@frozen
class Row:
    """One server in one cell of the matrix. Milliseconds of sound and of time, over all conversations."""

    kind: Kind
    dial_ms: int
    server: str
    swaps: int  # turns with a swap between the answer before and their own
    turns: int
    person: Fate  # blocks of utterances, on their way to an utterance that a session committed and answered
    person_lost_ms: Quantiles  # in each turn with a swap
    speech: Fate  # blocks of replies, on their way to the client; of a turn that was not answered, none
    unanswered: int
    seam_ms: Quantiles  # longest silence that the server put into the reply that a swap fell into or that followed it
    heard_ms: Quantiles  # the longest silence in it as the client heard it
    provider_ms: Quantiles  # what of that the provider was late with at the source
    swapped_ms: Quantiles  # from the reason to neko.session_swapped
    answer_after_swap_ms: Quantiles  # from the end of the utterance to the first speech
    answer_ms: Quantiles  # the same without a swap since the answer before
    given_twice_ms: float  # heard by two sessions, per swap; no fault as long as one of them commits it
    left_open: int  # sessions without a client, when all clients had left
    broken: int = 0  # conversations that the server broke off
    late_p99_ms: float = 0.0  # of the client\'s own loop: above a frame, the machine was too busy for these times
    kept_waiting: float = 0.0  # share of the time in which others had the core that the server could have used

    @property
    def added_ms(self) -> float | None:
        """What a swap adds to the wait for the next answer."""
        after, without = self.answer_after_swap_ms.p50, self.answer_ms.p50
        return None if after is None or without is None else round(after - without, 1)


def row(server: str, play: Play, conversations: Sequence[Conversation], hearings: Sequence[Hearing]) -> Row:
    """What came of all conversations with one server in one cell."""
    mine = [hearing for hearing in hearings if hearing.model == server]
    turns = [turn for conversation in conversations for turn in conversation.turns]
    fates = {turn.said: arrived(turn.said, _utterances(turn.said, mine)) for turn in turns}
    swapped = [turn for turn in turns if turn.after_swap]
    departed = departures(mine, play.response_ms // BLOCK_MS)
    seams = [seam(turn.chunks, departed) for turn in turns if turn.chunks and (turn.after_swap or turn.swapped)]
    twice = sum(shared(turn.said, mine) for turn in turns) * BLOCK_MS
    return Row(
        kind=play.kind,
        dial_ms=play.dial_ms,
        server=server,
        swaps=len(swapped),
        turns=len(turns),
        person=sum(fates.values(), Fate()),
        person_lost_ms=Quantiles.of(fates[turn.said].lost * BLOCK_MS for turn in swapped),
        speech=sum((_heard(turn, play) for turn in turns if turn.chunks), Fate()),
        unanswered=sum(1 for turn in turns if not turn.chunks),
        seam_ms=Quantiles.of(each.server_ms for each in seams),
        heard_ms=Quantiles.of(each.heard_ms for each in seams),
        provider_ms=Quantiles.of(each.provider_ms for each in seams),
        swapped_ms=Quantiles.of(wait for conversation in conversations for wait in conversation.waits_ms),
        answer_after_swap_ms=Quantiles.of(_waits(swapped)),
        answer_ms=Quantiles.of(_waits(turn for turn in turns if not turn.after_swap)),
        given_twice_ms=round(twice / max(1, len(swapped)), 1),
        left_open=sum(1 for hearing in mine if hearing.open),
    )


def missed(rows: Iterable[Row]) -> Iterator[str]:
    """Each bar that a row of neko does not reach, in words."""
    for each in rows:
        if each.server == NEKO:
            where = f"{each.kind}, dial {each.dial_ms} ms"
            yield from (f"{where}: {what}" for what in _missed(each))


def as_json(each: Row) -> dict[str, object]:
    return asdict(each) | {"added_ms": each.added_ms}


def _missed(each: Row) -> Iterator[str]:
    if each.swaps == 0:
        yield "nothing was swapped"
    for whose, fate in (("the person's sound", each.person), ("speech", each.speech)):
        for what, blocks in asdict(fate).items():
            if blocks:
                yield f"{blocks * BLOCK_MS} ms of {whose} {what}"
    if each.unanswered:
        yield f"{each.unanswered} turns without an answer"
    if each.broken:
        yield f"{each.broken} conversations broken off"
    if each.left_open:
        yield f"{each.left_open} sessions left open"
    if (each.seam_ms.p99 or 0) > DELTA_MS:
        yield f"seam of {each.seam_ms.p99} ms{_excuse(each)}"
    if each.kind is Kind.TURN and (each.added_ms or 0) > NOISE_MS:
        yield f"a planned swap adds {each.added_ms} ms to the next answer{_excuse(each)}"


def _excuse(each: Row) -> str:
    # No excuse that counts: the bar is missed. But a machine that does other work is a reason to measure again.
    if each.late_p99_ms > FRAME_MS:
        return f" (the client's own loop was {each.late_p99_ms} ms late)"
    if each.kept_waiting > KEPT_WAITING:
        return f" (others had the server's core for {each.kept_waiting:.0%} of the time)"
    return ""


def _utterances(said: range, hearings: Iterable[Hearing]) -> list[tuple[int, ...]]:
    return [each for hearing in hearings for each in hearing.used if any(block in said for block in each)]


def _heard(turn: Turn, play: Play) -> Fate:
    reader = TagReader(CLIENT_HZ)
    blocks = [block for _, pcm in turn.chunks for block in reader.push(pcm)]
    return spoken(play.response_ms // BLOCK_MS, blocks)


def _waits(turns: Iterable[Turn]) -> Iterator[float]:
    for turn in turns:
        if turn.first_sound is not None:
            yield (turn.first_sound - turn.ends) * 1000
