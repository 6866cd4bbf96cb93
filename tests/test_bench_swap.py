"""The swap benchmark: its counting finds what it is there to find, and a small run of it fills the table."""

from __future__ import annotations

import subprocess
import sys

import orjson
import pytest
from attrs import evolve

from neko.bench.swap_count import Fate, Hearing, arrived, committed, shared, spoken
from neko.bench.swap_play import Kind
from neko.bench.swap_report import Quantiles, Row, missed
from neko.bench.swap_seam import Departed, departures, seam
from neko.testing import silence, tag

HZ = 24_000
SAID = range(10, 20)
WHOLE = tuple(SAID)


@pytest.mark.parametrize(
    ("utterances", "fate"),
    [
        ([WHOLE], Fate()),
        ([(1, 2), WHOLE, (30, 31)], Fate()),
        ([WHOLE[:4] + WHOLE[5:]], Fate(lost=1)),
        ([WHOLE[:4], WHOLE[4:]], Fate(lost=4)),
        ([], Fate(lost=10)),
        ([WHOLE, WHOLE], Fate(doubled=10)),
        ([WHOLE, WHOLE[:3]], Fate(doubled=3)),
        ([(*WHOLE[:3], *WHOLE)], Fate(doubled=3)),
        ([(10, 12, 11, *range(13, 20))], Fate(reordered=1)),
        ([(10, 12, 11, 12, *range(14, 20))], Fate(lost=1, doubled=1, reordered=1)),
    ],
)
def test_an_utterance_arrives_in_one_committed_utterance_or_is_counted(
    utterances: list[tuple[int, ...]], fate: Fate
) -> None:
    assert arrived(SAID, utterances) == fate


@pytest.mark.parametrize(
    ("blocks", "fate"),
    [
        ((3, 4, 9, 10), Fate()),
        ((3, 4, 9), Fate(lost=1)),
        ((3, 4, 4, 9, 10), Fate(doubled=1)),
        ((3, 9, 4, 10), Fate(reordered=1)),
        ((), Fate(lost=4)),
    ],
)
def test_speech_is_counted_by_its_rising_numbers(blocks: tuple[int, ...], fate: Fate) -> None:
    assert spoken(4, blocks) == fate


def test_what_was_committed_is_read_from_the_sound() -> None:
    pcm = silence(7, HZ) + tag(10, 10, HZ) + silence(25, HZ) + tag(40, 5, HZ) + silence(20, HZ) + tag(60, 5, HZ)
    assert committed(pcm, HZ, silence_ms=200) == [WHOLE, (40, 41, 42, 43, 44)]


def test_a_block_that_was_cut_out_of_the_sound_is_lost() -> None:
    cut = tag(10, 4, HZ) + tag(15, 5, HZ) + silence(20, HZ)
    assert arrived(SAID, committed(cut, HZ, silence_ms=200)) == Fate(lost=1)


def test_what_two_sessions_heard_is_shared() -> None:
    def hearing(*blocks: int) -> Hearing:
        return Hearing("neko", True, blocks, (), 0)

    assert shared(SAID, [hearing(9, 10, 11), hearing(11, 12), hearing(9)]) == 1


def test_what_a_session_did_not_answer_is_owed_to_another() -> None:
    old, new = Hearing("neko", False, WHOLE, (WHOLE,), 0), Hearing("neko", True, WHOLE, (WHOLE,), 1)
    assert arrived(SAID, old.used) == Fate(lost=10)
    assert arrived(SAID, (*old.used, *new.used)) == Fate()


def spoke(*left_at: float, reply_blocks: int = 12) -> dict[int, Departed]:
    """A session that said block 0 and following, four of them at each of these moments."""
    blocks = tuple(range(4 * len(left_at)))
    times = tuple(at for at in left_at for _ in range(4))
    return departures([Hearing("neko", True, (), (), 0, blocks, times)], reply_blocks)


def came(*at: float) -> list[tuple[float, bytes]]:
    """Four blocks at each of these moments."""
    return [(when, tag(4 * place, 4, 48_000)) for place, when in enumerate(at)]


@pytest.mark.parametrize(
    ("left_at", "came_at", "seams"),
    [
        # All in time, 5 ms on their way.
        ((0.0, 0.04, 0.08), (0.005, 0.045, 0.085), (0, 0, 0)),
        # The server keeps the second for 50 ms.
        ((0.0, 0.04, 0.08), (0.0, 0.09, 0.09), (50, 0, 50)),
        # The provider does.
        ((0.0, 0.09, 0.09), (0.0, 0.09, 0.09), (50, 50, 0)),
        # The provider is late with the second, the server with the third: neither hides the other.
        ((0.0, 0.09, 0.09), (0.0, 0.09, 0.19), (60, 50, 100)),
        # What came early at the server is no excuse for later.
        ((0.0, 0.04, 0.08), (0.03, 0.04, 0.14), (30, 0, 30)),
    ],
)
def test_a_seam_is_the_silence_that_the_server_put_in(
    left_at: tuple[float, ...], came_at: tuple[float, ...], seams: tuple[float, ...]
) -> None:
    got = seam(came(*came_at), spoke(*left_at))
    assert (got.heard_ms, got.provider_ms, got.server_ms) == pytest.approx(seams)


def test_a_delta_that_a_resampler_cut_in_two_is_as_late_as_it_left() -> None:
    pcm = tag(0, 8, 48_000)
    first, second, rest = pcm[: 96 * 35], pcm[96 * 35 : 96 * 69], pcm[96 * 69 :]
    late = seam([(0.0, first), (0.1, second), (0.1, rest)], spoke(0.0, 0.1))
    assert (late.heard_ms, late.provider_ms, late.server_ms) == pytest.approx((65, 60, 5))


def test_each_reply_of_a_session_is_due_from_its_own_beginning() -> None:
    departed = spoke(0.0, 0.04, 0.08, 5.0, 5.07, 5.08)
    again = [(5.0, tag(12, 4, 48_000)), (5.07, tag(16, 4, 48_000)), (5.1, tag(20, 4, 48_000))]
    late = seam(again, departed)
    assert (late.heard_ms, late.provider_ms, late.server_ms) == pytest.approx((30, 30, 20))


NONE, FAST = Quantiles(0, None, None), Quantiles(4, 5.0, 9.0)
REACHED = Row(Kind.TURN, 50, "neko", 4, 8, Fate(), FAST, Fate(), 0, FAST, FAST, FAST, FAST, FAST, FAST, 0.0, 0)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (REACHED, []),
        (evolve(REACHED, server="relay", person=Fate(lost=9), left_open=3), []),
        (evolve(REACHED, person=Fate(lost=2)), ["20 ms of the person's sound lost"]),
        (
            evolve(REACHED, speech=Fate(doubled=1, reordered=1)),
            ["10 ms of speech doubled", "10 ms of speech reordered"],
        ),
        (evolve(REACHED, unanswered=1), ["1 turns without an answer"]),
        (evolve(REACHED, broken=1), ["1 conversations broken off"]),
        (evolve(REACHED, left_open=1), ["1 sessions left open"]),
        (evolve(REACHED, seam_ms=Quantiles(4, 5.0, 41.0)), ["seam of 41.0 ms"]),
        (
            evolve(REACHED, seam_ms=Quantiles(4, 5.0, 41.0), late_p99_ms=50.0),
            ["seam of 41.0 ms (the client's own loop was 50.0 ms late)"],
        ),
        (
            evolve(REACHED, seam_ms=Quantiles(4, 5.0, 41.0), kept_waiting=0.2),
            ["seam of 41.0 ms (others had the server's core for 20% of the time)"],
        ),
        (evolve(REACHED, swaps=0), ["nothing was swapped"]),
        (
            evolve(REACHED, answer_after_swap_ms=Quantiles(4, 20.0, 30.0)),
            ["a planned swap adds 15.0 ms to the next answer"],
        ),
    ],
)
def test_bars_that_are_missed(row: Row, words: list[str]) -> None:
    assert list(missed([row])) == [f"at turn end, dial 50 ms: {each}" for each in words]


@pytest.mark.slow
def test_a_small_run_fills_the_table_and_neko_loses_nothing() -> None:
    command = [sys.executable, "-m", "neko.cli", "bench", "swap", "--swaps", "4", "--conversations", "2"]
    done = subprocess.run(
        [*command, "--dial", "200", "--no-pipecat", "--json"], capture_output=True, check=False, timeout=240
    )
    # The times of a shared machine may miss a bar; what was counted may not.
    assert done.returncode in {0, 1}, done.stderr.decode()
    rows = orjson.loads(done.stdout)["rows"]
    assert [(row["kind"], row["server"]) for row in rows] == [
        (kind, peer) for kind in Kind for peer in ("neko", "relay")
    ]
    nothing = {"lost": 0, "doubled": 0, "reordered": 0}
    for row in rows[::2]:
        assert row["swaps"] >= 4, row
        assert (row["person"], row["speech"], row["unanswered"], row["left_open"]) == (nothing, nothing, 0, 0), row
    # The same counting, the same client: what a break before the make costs is found.
    assert all(row["person"]["lost"] > 0 for row in rows[1::2])
    assert rows[-1]["speech"]["lost"] > 0
