"""Between one session and the next: starts that fail or come while another ends, and what a bug leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.nurseries.outbox import BACKLOG
from neko.realtime.errors import Unreachable
from neko.realtime.session import Say
from neko.testing.fake_model import VOICED
from neko.testing.person import open_person
from tests.conftest import FakeHouse
from tests.eager_house import GONE, EagerHouse, ask, speak, start, wish
from tests.slow_line import slow_down

IDLE = """
[characters.Mimi]
[characters.Mimi.session]
idle_end_s = 60
prepare = "due"
"""


async def test_a_start_after_one_that_failed_is_answered(eager: EagerHouse, autojump_clock: MockClock) -> None:
    """The session that was kept says goodbye while the next one is refused."""
    async with open_person(eager.mimi) as person:
        await start(person)
        await person.send("end_session")
        await wait_all_tasks_blocked()
        eager.models.close_s, eager.models.refusal = 2.0, Unreachable("connection refused")
        await person.send("start_session", input_type="audio", new_session=True)
        await wait_all_tasks_blocked()
        assert person.types()[-1] == "session_failed"
        eager.models.refusal = None
        await person.send("start_session", input_type="audio")
        await trio.sleep(10)
        assert person.types()[-2:] == ["session_preparing", "session_started"]


async def test_a_start_while_an_idle_session_ends_is_a_session_of_its_own(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    house = EagerHouse(tmp_path, IDLE)
    async with trio.open_nursery() as nursery:
        await nursery.start(house.mimi.run)
        async with open_person(house.mimi) as person:
            await start(person)
            house.models.close_s = 2.0
            await trio.sleep(61)
            await start(person)
            await ask(person, "hello?")
            await trio.sleep(10)
            assert person.types()[-3:] == ["session_ended_by_server", "session_preparing", "session_started"]
            assert [session.got for session in house.models.sessions] == [[], [Say("hello?")]]
        nursery.cancel_scope.cancel()


async def test_a_start_that_waits_for_last_words_is_answered_before_the_client_gives_up(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as person:
        await start(person)
        house.models.close_s, house.models.dial_s = 2.0, 60.0
        await person.send("start_session", input_type="audio", new_session=True)
        await trio.sleep(9.9)
        assert person.types()[-1] == "session_failed"


async def test_back_to_the_mode_that_runs_takes_the_other_wish_back(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        eager.models.dial_s = 1.0
        await person.send("start_session", input_type="text")
        await trio.sleep(0.3)
        await person.send("start_session", input_type="audio")
        await trio.sleep(5)
        assert person.of("session_started")[-1]["input_mode"] == "audio"
        assert {session.mode for session in eager.models.live} == {"audio"}


async def test_a_wish_ends_with_its_session_though_the_next_one_was_prepared_by_it(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        await wish(person, "now", voice="calm")
        eager.config.change("Mimi", {"voice": "calm"})
        eager.mimi.config_changed()
        await wait_all_tasks_blocked()
        await person.send("end_session")
        await wait_all_tasks_blocked()
        await start(person)
        eager.config.change("Mimi", {"voice": "loud"})
        eager.mimi.config_changed()
        await trio.sleep(5)
        assert eager.current.snapshot.character.voice == "loud"


async def test_a_prepared_session_is_not_given_up_before_another_is_there(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    """Shortly before a limit a fresh one is wanted, and the provider takes no new ones just then."""
    eager.models.voiced = evolve(VOICED, max_session_s=60.0)
    async with open_person(eager.mimi) as person:
        await start(person)
        old = eager.current
        await trio.sleep(40)
        [prepared] = eager.pending
        eager.models.refusal = Unreachable("connection refused")
        await trio.sleep(19.5)
        old.say(GONE)
        await trio.sleep(6)
        assert eager.current is prepared
        assert "session_ended_by_server" not in person.types()


async def test_sound_is_accounted_for_though_a_bug_ends_the_session(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with open_person(eager.mimi) as person:
        await start(person)
        await speak(person, 500)
        eager.current.say(object())  # type: ignore[arg-type]
        await trio.sleep(30)
        assert sum(eager.mimi.ledger.heard_ms.values()) == 500


async def test_a_client_that_asks_and_does_not_read_is_held_back(
    house: FakeHouse, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house.client() as person:
        await start(person)
        slow_down(monkeypatch, 1)
        for _ in range(2 * BACKLOG):
            await person.send("start_session", input_type="audio")
        await trio.sleep(10)
        assert house.managers["Mimi"]._reception.outbox.waits() == BACKLOG
        monkeypatch.undo()
        await trio.sleep(2)
        assert person.types().count("session_started") == 1 + 2 * BACKLOG


async def test_a_client_that_goes_while_its_questions_wait_is_let_go(
    house: FakeHouse, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house.client() as person:
        await start(person)
        slow_down(monkeypatch, 1)
        for _ in range(2 * BACKLOG):
            await person.send("start_session", input_type="audio")
        await trio.sleep(10)
        await person.vanish()
        await trio.sleep(60)
        assert house.managers["Mimi"].websocket is None
        assert house.models.live == []
