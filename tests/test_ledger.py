"""Every sample has one fate: the ledger's sums are exact, and nothing that was given is counted twice or forgotten."""

from __future__ import annotations

from array import array
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from neko.audio.given import LEAD_MS, UNTOLD_MS, UTTERANCE_MS, Given
from neko.audio.ledger import Heard, Ledger, Spoken, bytes_in, flicks
from neko.audio.onset import ANSWERED_WITHIN_MS

HZ = 8_000
BLOCK_MS = 100
RATES = [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000]
BLOCK = HZ * BLOCK_MS // 1000  # samples
DIGIT, SHOUT = 200, 5_000


def block(number: int, *, loud: bool = False) -> bytes:
    """Two samples tell its number, again and again; quiet ones are below what may be speech."""
    return array("h", [loud * SHOUT + digit for digit in divmod(number, DIGIT)]).tobytes() * (BLOCK // 2)


def blocks(first: int, count: int, *, loud: bool = False) -> bytes:
    return b"".join(block(number, loud=loud) for number in range(first, first + count))


def numbers(pcm: bytes, *, cut: bool = False) -> list[int]:
    """Of whole blocks; but for the first one, where it may be `cut`."""
    odd = len(pcm) % (2 * BLOCK)
    assert cut or not odd
    samples = memoryview(pcm[odd:]).cast("h")
    return [
        high % SHOUT * DIGIT + low % SHOUT
        for high, low in zip(samples[::BLOCK].tolist(), samples[1::BLOCK].tolist(), strict=True)
    ]


def fates(ledger: Ledger) -> dict[str, Fraction]:
    return {fate: ms for fate, ms in ledger.heard_ms.items() if ms}


@given(
    st.lists(
        st.tuples(
            st.sampled_from([8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000]), st.integers(0, 9_999)
        )
    )
)
def test_sums_at_the_usual_rates_are_exact(entries: list[tuple[int, int]]) -> None:
    ledger = Ledger()
    for hz, samples in entries:
        ledger.heard(Heard.QUIET, 2 * samples, hz)
        ledger.spoken(Spoken.SENT, 2 * samples, hz)
    exact = sum((Fraction(1000 * samples, hz) for hz, samples in entries), Fraction())
    assert ledger.heard_ms[Heard.QUIET] == ledger.spoken_ms[Spoken.SENT] == exact


@given(st.integers(8_000, 96_000), st.integers(0, 10**9))
def test_at_any_other_rate_an_entry_is_two_nanoseconds_short_at_most(hz: int, samples: int) -> None:
    ledger = Ledger()
    ledger.heard(Heard.QUIET, 2 * samples, hz)
    short_ms = Fraction(1000 * samples, hz) - ledger.heard_ms[Heard.QUIET]
    assert 0 <= short_ms < Fraction(2, 1_000_000)


@given(st.sampled_from(RATES), st.integers(0, 10**9))
def test_a_length_and_its_bytes_are_the_same_thing(hz: int, samples: int) -> None:
    assert bytes_in(flicks(2 * samples, hz), hz) == 2 * samples


def test_what_was_lost_between_two_moments_is_a_difference() -> None:
    ledger = Ledger()
    ledger.heard(Heard.BACKLOG, 2 * 1_600, 16_000)
    before = ledger.lost_ms
    ledger.heard(Heard.TOO_LONG, 2 * 2_400, 24_000)
    for fate in set(Heard) - {Heard.BACKLOG, Heard.TOO_LONG}:
        ledger.heard(fate, 2 * 2_400, 24_000)
    assert before == 100
    assert ledger.lost_ms - before == 100


def test_an_utterance_counts_when_it_is_answered_and_not_before() -> None:
    ledger = Ledger()
    given = Given(HZ, ledger)
    given.add(blocks(0, 15))
    assert fates(ledger) == {Heard.QUIET: 500}
    given.began()
    given.add(blocks(15, 20))
    given.ended(3_000.0)  # the last half second is quiet
    assert fates(ledger) == {Heard.QUIET: 500}
    given.answered()
    assert fates(ledger) == {Heard.QUIET: 500, Heard.UTTERANCE: 2_500}
    assert numbers(given.pcm) == list(range(30, 35))
    given.end()
    assert fates(ledger) == {Heard.QUIET: 1_000, Heard.UTTERANCE: 2_500}


@pytest.mark.parametrize(
    ("at_ms", "committed"), [(0.0, 0), (999.0, 0), (1_000.0, 0), (1_500.0, 5), (3_000.0, 20), (9_999.0, 20), (None, 20)]
)
def test_where_an_utterance_ends(at_ms: float | None, committed: int) -> None:
    """Two seconds are held, after one that is not: positions before them, inside, after, and none."""
    ledger = Ledger()
    given = Given(HZ, ledger)
    given.add(blocks(0, 20))
    given.began()
    given.add(blocks(20, 10))
    given.ended(at_ms)
    given.answered()
    assert ledger.heard_ms[Heard.UTTERANCE] == committed * BLOCK_MS
    kept = min(20 - committed, LEAD_MS // BLOCK_MS)
    assert numbers(given.pcm) == list(range(30 - kept, 30))


def test_what_is_handed_over_is_counted_by_the_session_that_got_it() -> None:
    ledger = Ledger()
    old, new = Given(HZ, ledger), Given(HZ, ledger)
    old.began()
    old.add(blocks(0, 30))
    new.carry(old.pcm, wanted=True)
    old.hand_over()
    old.ended(None)
    old.answered()  # a retired session may still say so
    old.end()
    assert fates(ledger) == {}
    assert numbers(new.pcm) == list(range(30))
    new.ended(2_500.0)
    new.answered()
    assert fates(ledger) == {Heard.UTTERANCE: 2_500}


def test_a_sentence_stays_whole_though_one_session_after_another_dies() -> None:
    """None of them lives long enough to tell that somebody speaks."""
    ledger = Ledger()
    chain = [Given(HZ, ledger) for _ in range(4)]
    chain[0].began()
    chain[0].add(blocks(0, 50))
    for old, new in pairwise(chain):
        new.carry(old.pcm, wanted=True)
        old.hand_over()
    chain[-1].add(blocks(50, 30))
    assert numbers(chain[-1].pcm) == list(range(80))
    assert chain[-1].wanted


def test_the_second_of_two_carried_sentences_survives_the_answer_to_the_first() -> None:
    given = Given(HZ)
    given.carry(blocks(0, 80), wanted=True)
    given.ended(3_000.0)
    given.add(blocks(80, 1))
    given.answered()
    assert numbers(given.pcm) == list(range(30, 81))


def test_what_was_carried_and_is_no_speech_after_all_grows_old() -> None:
    ledger = Ledger()
    given = Given(HZ, ledger)
    given.carry(blocks(0, 5), wanted=True)
    given.add(blocks(5, UNTOLD_MS // BLOCK_MS))
    assert [given.wanted, fates(ledger)] == [True, {}]
    given.add(blocks(5 + UNTOLD_MS // BLOCK_MS, 1))
    assert [given.wanted, fates(ledger)] == [False, {Heard.QUIET: 600 + UNTOLD_MS - LEAD_MS}]


@pytest.mark.parametrize("lost", [True, False])
def test_a_long_utterance_is_too_long_only_when_its_session_is_lost(lost: bool) -> None:
    ledger = Ledger()
    given = Given(HZ, ledger)
    given.began()
    given.add(blocks(0, UTTERANCE_MS // BLOCK_MS))
    given.add(blocks(UTTERANCE_MS // BLOCK_MS, 30))
    assert (fates(ledger), given.lost_ms) == ({}, 3_000)
    if lost:
        given.hand_over()
        assert fates(ledger) == {Heard.TOO_LONG: 3_000}
    else:
        given.ended(None)
        given.answered()
        assert fates(ledger) == {Heard.UTTERANCE: UTTERANCE_MS + 3_000}


def test_a_session_that_ends_in_mid_sentence_has_not_used_it() -> None:
    ledger = Ledger()
    given = Given(HZ, ledger)
    given.began()
    given.add(blocks(0, 10))
    given.ended(800.0)
    given.end()
    assert fates(ledger) == {Heard.ENDED: 800, Heard.QUIET: 200}


def test_a_provider_that_does_not_tell_when_somebody_speaks() -> None:
    """Up to 15 s are given on, until the answer shows that it was heard."""
    ledger = Ledger()
    given = Given(HZ, ledger, tells_speech=False)
    given.add(blocks(0, 200))
    assert numbers(given.pcm) == list(range(200 - UNTOLD_MS // BLOCK_MS, 200))
    given.answered()
    assert fates(ledger) == {Heard.QUIET: 5_000, Heard.UTTERANCE: UNTOLD_MS}
    assert given.pcm == b""


class OneFate(RuleBasedStateMachine):
    """A chain of sessions, each given what the one before held; blocks carry their numbers."""

    @initialize(tells_speech=st.booleans())
    def begin(self, tells_speech: bool) -> None:
        self.ledger = Ledger()
        self.tells_speech = tells_speech
        self.given = self._session()
        self.retired: list[Given] = []
        self.added = 0
        self.passed: list[int] = []  # blocks that this session was given
        self.committed: list[int] = []
        self.spoken: list[int] | None = None  # while the person speaks
        self.carried: list[int] | None = None  # until this session tells what it makes of it

    def _session(self) -> Given:
        return Given(HZ, self.ledger, tells_speech=self.tells_speech)

    def _held(self) -> list[int]:
        # Where nobody tells, an utterance may begin within a block.
        return numbers(self.given.pcm, cut=not self.tells_speech)

    @rule(count=st.one_of(st.integers(1, 30), st.integers(1, 400)), loud=st.booleans())
    def add(self, count: int, loud: bool) -> None:
        self.given.add(blocks(self.added, count, loud=loud))
        for heard in (self.spoken, self.carried):
            if heard is not None:
                heard.extend(range(self.added, self.added + count))
        self.added += count
        self.passed.extend(range(self.added - count, self.added))
        if self.carried is not None and not self.given.wanted:
            assert len(self.carried) > UNTOLD_MS // BLOCK_MS
            self.carried = None

    @rule()
    def began(self) -> None:
        self.given.began()
        self.spoken = (self.spoken or []) + (self.carried or [])
        self.carried = None

    @rule(back=st.one_of(st.none(), st.integers(-10, 50), st.integers(0, 700)))
    def ended(self, back: int | None) -> None:
        """So many blocks ago: in what is held, before it, or at a position that is still to come."""
        end = max(0, len(self.passed) - (back or 0))
        self.given.ended(None if back is None else end * BLOCK_MS)
        self.committed += [number for number in (self.spoken or self.carried or []) if number in self.passed[:end]]
        self.spoken = self.carried = None

    @rule()
    def answered(self) -> None:
        self.given.answered()
        self.committed = []
        if not self.tells_speech:
            self.spoken = self.carried = None
            assert len(self._held()) <= ANSWERED_WITHIN_MS // BLOCK_MS

    @rule(died=st.integers(0, 2))
    def another_session(self, died: int) -> None:
        """As many as died while they were given the sound have not got it; the last one has."""
        news = [self._session() for _ in range(died + 1)]
        for new in news:
            new.carry(self.given.pcm, wanted=self.given.wanted)
        if self.given.wanted:
            self.carried = self.committed + (self.spoken or self.carried or [])
            self.committed, self.spoken = [], None
        self.passed = self._held()
        self.given.hand_over()
        self.retired.append(self.given)
        self.given = news[-1]

    @rule(at_ms=st.one_of(st.none(), st.floats(0, 60_000)))
    def retired_sessions_go_on(self, at_ms: float | None) -> None:
        for old in self.retired:
            old.began()
            old.ended(at_ms)
            old.answered()
            old.end()

    @invariant()
    def each_block_is_held_or_has_one_fate(self) -> None:
        undecided_ms = Fraction(1000 * self.given.held, 2 * HZ) + round(self.given.lost_ms)
        assert sum(self.ledger.heard_ms.values()) + undecided_ms == self.added * BLOCK_MS

    @invariant()
    def what_is_held_is_in_order_and_bounded(self) -> None:
        held = self._held()
        assert held == sorted(set(held))
        assert len(held) <= UTTERANCE_MS // BLOCK_MS

    @invariant()
    def of_what_was_spoken_and_not_answered_a_minute_is_kept(self) -> None:
        wanted = {*self.committed, *(self.spoken or []), *(self.carried or [])}
        recent = {number for number in wanted if number >= self.added - UTTERANCE_MS // BLOCK_MS}
        assert recent <= set(self._held())


OneFate.TestCase.settings = settings(max_examples=200, stateful_step_count=30)
TestOneFate = pytest.mark.slow(pytest.mark.timeless(OneFate.TestCase))
