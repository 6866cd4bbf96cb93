"""A client that is told that a turn is over may count on it: what was said is on the disk by then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.audio.ledger import Ledger
from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.conversation.history import History, Role, Utterance
from neko.conversation.journal import Corrected, Entry, ResultBrought, Said
from neko.conversation.past import Past
from neko.nurseries.manager import LLMSessionManager
from neko.nurseries.outbox import Outbox
from neko.nurseries.ports import Ports
from neko.protocol.client import AudioFraming
from neko.protocol.server import AgentNotification, TurnEnd
from neko.realtime.session import (
    AudioDelta,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    UserSaid,
)
from neko.testing.fake_model import FakeModels
from neko.testing.person import Person, open_person

SECOND = bytes(2 * 24_000)  # PCM16 at 24 kHz
COMMIT_S = 0.5


@define(eq=False)
class SlowJournal:
    """Each `written` takes as long as a very slow disk, from when it is asked."""

    entries: list[Entry] = field(factory=list)
    durable: list[Entry] = field(factory=list)
    commit_s: float = COMMIT_S
    trouble: str | None = None

    @property
    def entered(self) -> int:
        return len(self.entries)

    def enter(self, entry: Entry) -> None:
        self.entries.append(entry)

    async def written(self, _upto: int | None = None) -> None:
        entered = list(self.entries)
        if entered != self.durable:
            await trio.sleep(self.commit_s)
            self.durable = entered

    async def recall(self, words: str, *, since: int, before: int) -> tuple[Utterance, ...]:
        return ()


@define(eq=False)
class BusyJournal:
    """A disk that commits all the time, what was entered until it began; each commit takes `COMMIT_S`."""

    entered: int = 0
    trouble: str | None = None
    _written: int = 0
    _progress: trio.Event = field(factory=trio.Event)

    def enter(self, _entry: Entry) -> None:
        self.entered += 1

    async def written(self, upto: int | None = None) -> None:
        upto = self.entered if upto is None else upto
        while self._written < upto:
            await self._progress.wait()

    async def recall(self, words: str, *, since: int, before: int) -> tuple[Utterance, ...]:
        return ()

    async def run(self) -> None:
        while True:
            upto = self.entered
            await trio.sleep(COMMIT_S)
            self._written = upto
            self._progress.set()
            self._progress = trio.Event()


@define
class Slowly:
    journal: SlowJournal
    models: FakeModels
    mimi: LLMSessionManager

    def words(self) -> list[str]:
        """What is durable."""
        return [each.utterance.text for each in self.journal.durable if isinstance(each, Said)]


@pytest.fixture
async def slowly(tmp_path: Path) -> AsyncIterator[Slowly]:
    config = ConfigManager(
        parse('[session]\nprepare = "due"\n[characters.Mimi]\n', "neko.toml"), OverrideStore.in_folder(tmp_path)
    )
    journal, models = SlowJournal(), FakeModels()
    ports = Ports(models.connect, lambda _snapshot, _mode: None)
    mimi = LLMSessionManager("Mimi", config, ports, Past(History(journal)))
    async with trio.open_nursery() as nursery:
        await nursery.start(mimi.run)
        yield Slowly(journal, models, mimi)
        nursery.cancel_scope.cancel()


async def ask(house: Slowly, person: Person, mode: str) -> None:
    """A reply of two seconds has been made; the person knows all of it but its end."""
    await person.send("start_session", input_type=mode)
    await wait_all_tasks_blocked()
    model = house.models.sessions[-1]
    model.say(UserSaid("how are you?"), ReplyStarted("r1"), TextDelta("r1", "I am well. "))
    if mode == "audio":
        model.say(AudioDelta("r1", "i1", 2 * SECOND))
    model.say(ReplyDone("r1", ReplyStatus.COMPLETED))
    await wait_all_tasks_blocked()


async def test_the_end_is_told_when_both_sides_of_the_turn_are_durable(
    slowly: Slowly, autojump_clock: MockClock
) -> None:
    async with open_person(slowly.mimi, AudioFraming.BASE64) as person:
        await ask(slowly, person, "text")
        assert person.types()[-1] == "gemini_response"
        asked_at = trio.current_time()
        while "system" not in person.types():
            await person.arrival()
        assert trio.current_time() - asked_at == COMMIT_S
        assert slowly.words() == ["how are you?", "I am well."]


async def test_whoever_cuts_in_meanwhile_is_told_at_once(slowly: Slowly, autojump_clock: MockClock) -> None:
    async with open_person(slowly.mimi, AudioFraming.BASE64) as person:
        await ask(slowly, person, "audio")
        speech_id = person.of("audio_chunk")[0]["speech_id"]
        before = len(person.got)
        began = trio.current_time()
        slowly.models.sessions[-1].say(SpeechStarted())
        await wait_all_tasks_blocked()
        assert trio.current_time() == began
        assert [frame["type"] for frame in person.got[before:]] == ["user_activity"]
        assert person.got[-1]["interrupted_speech_id"] == speech_id
        await trio.sleep(2 * COMMIT_S)
        assert [(frame["type"], frame.get("interrupted")) for frame in person.got[before:]] == [
            ("user_activity", None),
            ("system", True),
        ]
        assert any(isinstance(each, Corrected) for each in slowly.journal.durable)


async def test_what_comes_after_an_end_waits_behind_it(slowly: Slowly, autojump_clock: MockClock) -> None:
    async with open_person(slowly.mimi, AudioFraming.BASE64) as person:
        await ask(slowly, person, "text")
        before = len(person.got)
        model = slowly.models.sessions[-1]
        model.say(ReplyStarted("r2"), TextDelta("r2", "And you?"), ReplyDone("r2", ReplyStatus.COMPLETED))
        await trio.sleep(3 * COMMIT_S)
        assert [frame["type"] for frame in person.got[before:]] == ["system", "gemini_response", "system"]
        assert [frame["seq"] for frame in person.got] == list(range(1, len(person.got) + 1))


async def test_an_end_that_is_waited_for_is_told_to_who_comes_back(slowly: Slowly, autojump_clock: MockClock) -> None:
    async with open_person(slowly.mimi, AudioFraming.BASE64) as person:
        await ask(slowly, person, "text")
        token = person.of("session_started")[-1]["resume_token"]
        last = person.got[-1]["seq"]
        await person.vanish()
        await wait_all_tasks_blocked()
    async with open_person(slowly.mimi, AudioFraming.BASE64) as person:
        await person.send("resume", token=token, last_seq=last)
        await trio.sleep(2 * COMMIT_S)
        assert [(frame["type"], frame["seq"]) for frame in person.got] == [("system", last + 1)]


async def test_speech_waits_for_no_disk(slowly: Slowly, autojump_clock: MockClock) -> None:
    async with open_person(slowly.mimi, AudioFraming.BASE64) as person:
        await person.send("start_session", input_type="audio")
        await wait_all_tasks_blocked()
        model = slowly.models.sessions[-1]
        began = trio.current_time()
        model.say(SpeechStarted(), SpeechStopped(), UserSaid("hi"), ReplyStarted("r1"), AudioDelta("r1", "i1", SECOND))
        await wait_all_tasks_blocked()
        assert trio.current_time() == began
        assert "audio_chunk" in person.types()


async def test_a_disk_that_refuses_is_told_to_who_is_there_and_to_who_comes(
    slowly: Slowly, autojump_clock: MockClock
) -> None:
    async with open_person(slowly.mimi, AudioFraming.BASE64) as person:
        await ask(slowly, person, "text")
        await trio.sleep(2 * COMMIT_S)
        assert person.of("status") == []
        slowly.journal.trouble = "database or disk is full"
        slowly.mimi.tell_trouble()
        await wait_all_tasks_blocked()
        (told,) = person.of("status")
        assert told["code"] == "SERVER_BUSY"
        assert "cannot be kept at the moment (database or disk is full)" in told["message"]
    async with open_person(slowly.mimi, AudioFraming.BASE64) as person:
        await person.send("start_session", input_type="text", new_session=True)
        await wait_all_tasks_blocked()
        assert person.codes() == ["SERVER_BUSY"]
        assert "session_started" in person.types()


async def test_an_end_does_not_wait_for_what_is_entered_after_it(autojump_clock: MockClock) -> None:
    """Agents bring results all the time, which are written as well, and each has the outbox look again."""
    journal = BusyJournal()
    outbox = Outbox(Ledger(), journal)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.run)
        journal.enter(Said(Utterance(Role.ASSISTANT, "I am well.", at=0.0)))
        outbox.post(TurnEnd("turn_1", interrupted=False))

        async def results() -> None:
            for number in range(100):
                await trio.sleep(COMMIT_S / 5)
                journal.enter(ResultBrought(str(number), 0.0, ""))
                outbox.mention(number, AgentNotification("done", "", "completed"))

        nursery.start_soon(results)
        with trio.fail_after(2 * COMMIT_S):
            while not isinstance(outbox.take(), TurnEnd):
                await outbox.next()
        nursery.cancel_scope.cancel()
