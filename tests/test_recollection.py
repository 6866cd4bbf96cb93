"""What the next model session is told of older talk, of the time that has passed, and of what is forgotten: nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import trio
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.conversation.history import History, Role, Utterance
from neko.conversation.journal import Entry
from neko.conversation.recap import MESSAGE_TOKENS, RECAP_TOKENS, recap
from neko.conversation.recollection import RECALLED, ago, asides, topic
from neko.conversation.tokens import tokens
from neko.memory.finding import RECALL_S
from neko.nurseries.manager import LLMSessionManager
from neko.nurseries.ports import Ports
from neko.realtime.session import ReplyDone, ReplyStarted, ReplyStatus, TextDelta
from neko.testing.fake_model import FakeModels
from neko.testing.person import open_person
from tests.conftest import FakeHouse
from tests.eager_house import EagerHouse, ask, start, swaps
from tests.memories import Disk, remembered

NOW = 1_793_620_800.0
HOUR, DAY = 3_600.0, 86_400.0


def told(*texts: str, at: float = NOW, first: int = 0) -> list[Utterance]:
    return [Utterance((Role.USER, Role.ASSISTANT)[n % 2], text, at, first + n) for n, text in enumerate(texts)]


def lines(utterances: list[Utterance], recalled: Iterable[Utterance] = ()) -> tuple[str, ...]:
    said = recap(utterances, person="Anna", character="Mimi")
    return asides(said, recalled, person="Anna", character="Mimi", now=NOW)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "a moment ago"),
        (-5, "a moment ago"),  # a clock was set
        (119, "a moment ago"),
        (120, "2 minutes ago"),
        (3 * HOUR, "3 hours ago"),
        (47 * HOUR, "47 hours ago"),
        (2 * DAY, "2 days ago"),
        (90 * DAY, "3 months ago"),
        (800 * DAY, "2 years ago"),
    ],
)
def test_how_long_ago(seconds: float, words: str) -> None:
    assert ago(seconds) == words


def test_somebody_who_comes_back_is_met_as_one_who_was_away() -> None:
    assert lines(told("hi", at=NOW - 3 * DAY)) == ("The last of this was said 3 days ago.",)
    assert lines(told("hi", at=NOW - 0.9 * HOUR)) == ()
    assert lines([]) == ()


def test_older_talk_is_told_in_its_order_with_who_and_when() -> None:
    older = [*told("My cat\nis called Tama.", at=NOW - 60 * DAY, first=7), *told("I had a cat once", at=NOW - 90 * DAY)]
    assert lines(told("what was my cat called?", first=500), older) == (
        f"{RECALLED}Anna, 3 months ago: I had a cat once / Anna, 2 months ago: My cat is called Tama.",
    )


def test_what_is_talked_of_is_in_the_last_words_of_the_person() -> None:
    assert topic(told("one", "a", "two", "b", "three", "c", "four")) == "two three four"


@pytest.mark.slow
@given(
    st.lists(st.text(min_size=1, max_size=300) | st.just("word " * 3_000), min_size=1, max_size=40),
    st.lists(st.text(min_size=1, max_size=500), max_size=8),
    st.floats(0, 1e9),
)
def test_all_of_it_stays_within_the_budget(texts: list[str], older: list[str], away_s: float) -> None:
    said = recap(told(*texts, at=NOW - away_s), person="Anna", character="Mimi")
    more = asides(said, told(*older), person="Anna", character="Mimi", now=NOW)
    whole = [*(each.text for each in said.verbatim), *([said.earlier] if said.earlier else []), *more]
    assert sum(tokens(text) + MESSAGE_TOKENS for text in whole) <= RECAP_TOKENS


# --- what the file has of it --------------------------------------------------------------------------------------

OLDER = [
    "My cat is called Tama, and she loves café au lait.",
    "我昨天在京都看见一只黑猫。",
    "昨日は京都で黒い猫を見たよ。",
    "Nobody can say what is really good.",
]


def filler(number: int) -> str:
    return f"So what do you think of that, and what is really good? Number {number}."


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("What was the name of my cat, do you think?", [OLDER[0]]),
        ("CAFE", [OLDER[0]]),
        ("我想再去京都", [OLDER[1], OLDER[2]]),
        ("京都の黒い猫", [OLDER[2], OLDER[1]]),
        ("what do you think is really good", []),  # said all the time
        ("Is it so? :-)", []),
        ('"NEAR(" * OR', []),
        ("", []),
    ],
)
async def test_older_talk_is_found_by_the_words_that_tell_it_apart(
    tmp_path: Path, words: str, found: list[str]
) -> None:
    async with remembered(tmp_path) as memory:
        history = memory.of("Mimi").history
        for text in [*OLDER, *map(filler, range(300))]:
            history.add(Role.USER, text)
        memory.of("Taro").history.add(Role.USER, "My cat has no name, and was never in 京都.")
        await memory.written()
        assert [each.text for each in await history.journal.recall(words, since=0, before=300)] == found
        for since, before in ((3, 300), (0, 0)):
            assert list(await history.journal.recall(words, since=since, before=before)) == []


@pytest.mark.slow
async def test_nobody_waits_long_for_what_is_recalled(tmp_path: Path) -> None:
    disk = Disk()
    async with remembered(tmp_path, disk) as memory:
        history = memory.of("Mimi").history
        history.add(Role.USER, "My cat is called Tama.")
        await memory.written()
        disk.hold()
        history.add(Role.USER, "What is she called?")
        while len(disk.commits) < 2:
            await trio.lowlevel.checkpoint()
        began = trio.current_time()
        assert list(await history.journal.recall("called", since=0, before=1)) == []
        assert RECALL_S <= trio.current_time() - began < 2
        disk.let_go()


# --- in a conversation --------------------------------------------------------------------------------------------


@define(eq=False)
class Archive:
    """A journal that knows some older talk, and what it was asked for."""

    older: list[Utterance]
    asked: list[tuple[str, int, int]] = field(factory=list)
    trouble: str | None = None
    entered: int = 0

    def enter(self, entry: Entry) -> None:
        pass

    async def written(self, _upto: int | None = None) -> None:
        pass

    async def recall(self, words: str, *, since: int, before: int) -> list[Utterance]:
        self.asked.append((words, since, before))
        return self.older


def long_talk(history: History) -> None:
    for number in range(200):
        history.add(
            Role.USER, f"Well then, this is the story with number {number:04}. It goes on for a while, it does."
        )


async def test_the_next_session_is_told_what_older_talk_has_to_do_with_the_last_words(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    history = house.managers["Mimi"].history
    archive = Archive(told("My cat is called Tama.", at=NOW))
    history.journal = archive
    long_talk(history)
    history.add(Role.USER, "what was my cat called?")
    async with house.client() as person:
        await start(person, "text")
        primed = house.model.primed
        assert (primed[-1].role, primed[-1].text.startswith(RECALLED)) == ("system", True)
        assert primed[-1].text.endswith("ago: My cat is called Tama.")
        assert primed[-2].text == "what was my cat called?"
        ((words, since, before),) = archive.asked
        assert words.endswith("what was my cat called?")
        assert since == 0
        assert f"number {before:04}" in next(line.text for line in primed if line.text.startswith("Well then"))


async def test_a_short_conversation_is_told_whole_and_nothing_is_looked_for(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    archive = Archive(told("from another time"))
    house.managers["Mimi"].history.journal = archive
    async with house.client() as person:
        await start(person, "text")
        await ask(person, "hello")
        await person.send("swap_session", when="turn", voice="calm")
        await wait_all_tasks_blocked()
        assert archive.asked == []


async def test_a_fresh_context_recalls_nothing_from_before_it(house: FakeHouse, autojump_clock: MockClock) -> None:
    history = house.managers["Mimi"].history
    history.journal = archive = Archive([])
    history.add(Role.USER, "before")
    async with house.client() as person:
        await person.send("start_session", input_type="text", new_session=True)
        await wait_all_tasks_blocked()
        long_talk(history)
        await person.send("swap_session", when="now", voice="calm")
        await trio.sleep(1)
        assert {since for _, since, _ in archive.asked} == {1}


async def test_after_a_restart_the_model_is_told_what_was_said_before(tmp_path: Path) -> None:
    async with remembered(tmp_path) as memory:
        history = memory.of("Mimi").history
        history.add(Role.USER, "My name is Anna")
        history.add(Role.ASSISTANT, "Hello Anna!", mood="happy")
    models = FakeModels()
    config = EagerHouse(tmp_path).config
    async with remembered(tmp_path) as memory:
        mimi = LLMSessionManager("Mimi", config, Ports(models.connect, lambda *_: None), memory.of("Mimi"))
        async with trio.open_nursery() as nursery:
            await nursery.start(mimi.run)
            async with open_person(mimi) as person:
                await person.send("start_session", input_type="text")
                while "session_started" not in person.types():
                    await person.arrival()
                told_first = models.sessions[0].primed
                assert [line.text for line in told_first] == ["My name is Anna", "<happy> Hello Anna!"]
                await person.send("stream_data", input_type="text", data="and you?")
                while not models.sessions[0].got:
                    await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    async with remembered(tmp_path) as memory:
        assert [each.number for each in memory.of("Mimi").history] == [0, 1, 2]


# --- forgetting ---------------------------------------------------------------------------------------------------


def knows(house: EagerHouse, words: str) -> list[bool]:
    """Which of the open model sessions was told this, the current one first."""
    sessions = [house.current, *house.pending]
    return [any(words in line.text for line in session.primed) for session in sessions]


async def test_a_model_that_knows_what_is_forgotten_makes_room_at_once(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        eager.mimi.history.add(Role.USER, "my secret")
        await start(person)
        assert knows(eager, "my secret") == [True, True]
        eager.mimi.forget(0.0, 2e9)
        await trio.sleep(1)
        assert swaps(person) == [("requested", 0, 0)]
        assert knows(eager, "my secret") == [False, False]


async def test_it_makes_room_when_it_has_answered(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        await start(person, "text")
        await ask(person, "my secret")
        eager.mimi.forget(0.0, 2e9)
        await trio.sleep(1)
        assert swaps(person) == []
        eager.current.say(ReplyStarted("r1"), TextDelta("r1", "I see."), ReplyDone("r1", ReplyStatus.COMPLETED))
        await trio.sleep(1)
        assert swaps(person) == [("requested", 0, 0)]
        assert knows(eager, "my secret") == [False, False]
        assert knows(eager, "I see.") == [True, True]


async def test_what_waits_for_the_next_start_is_not_taken_when_it_knows_too_much(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        eager.mimi.history.add(Role.USER, "my secret")
        await start(person)
        await person.send("end_session")
        await wait_all_tasks_blocked()
        assert len(eager.models.live) == 1
        eager.mimi.forget(0.0, 2e9)
        await start(person)
        assert knows(eager, "my secret") == [False, False]


async def test_a_session_that_is_just_being_prepared_is_not_taken_either(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        eager.mimi.history.add(Role.USER, "my secret")
        await start(person)
        eager.models.dial_s = 0.5
        eager.pending[0].open = False
        eager.mimi.forget(0.0, 2e9)
        await trio.sleep(0.2)
        eager.mimi.history.add(Role.USER, "another secret")
        eager.mimi.forget(0.0, 2e9)
        await trio.sleep(5)
        assert knows(eager, "secret") == [False, False]
