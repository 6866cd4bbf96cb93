"""What model sessions say and do when the conversation they belonged to is over, or was never theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.realtime.errors import Arrears, SessionLost
from neko.realtime.session import ReplyStarted, Say, TextDelta, UserSaid
from neko.testing.fake_model import FakeModelSession
from tests.conftest import FakeHouse
from tests.sweep_plays import EAGER
from tests.sweep_stage import open_stage

GONE = SessionLost("the provider closed with 1011")


async def test_a_model_that_speaks_on_while_it_is_closed_is_no_bug(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await person.send("start_session", input_type="audio")
        await wait_all_tasks_blocked()
        model = house.model
        with capture_logs() as logs:
            session = house.managers["Mimi"]._hosting.session
            assert session is not None
            session.scope.cancel()
            for _ in range(10):
                model.say(UserSaid("still there?"), ReplyStarted("r1"), TextDelta("r1", "Yes. "))
                await trio.lowlevel.checkpoint()
            await wait_all_tasks_blocked()
        assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == []
        assert house.models.live == []


async def test_the_end_of_a_session_that_is_ending_comes_after_its_last_words(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    house.models.close_s = 1.0
    async with house.client() as person:
        await person.send("start_session", input_type="audio")
        await trio.sleep(1)
        house.model.say(ReplyStarted("r1"), TextDelta("r1", "Well, "))
        await wait_all_tasks_blocked()
        house.models.refusal = Arrears("no money")
        house.model.say(GONE)
        await trio.sleep(0.1)
        await person.send("end_session")
        await trio.sleep(3)
        assert person.types()[-2:] == ["session_ended_by_server", "status"]
        assert person.codes()[-1] == "CHARACTER_LEFT"


async def test_a_successor_that_could_not_be_told_is_closed(
    house: FakeHouse, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = FakeModelSession.send

    async def once(self: FakeModelSession, command: Any) -> None:
        if self.id == "fake_1":
            raise GONE
        await send(self, command)

    async with house.client() as person:
        await person.send("start_session", input_type="text")
        await person.send("stream_data", input_type="text", data="What is new?")
        await wait_all_tasks_blocked()
        monkeypatch.setattr(FakeModelSession, "send", once)
        house.model.say(GONE)
        await trio.sleep(2)
        assert [each.id for each in house.models.live] == ["fake_2"]
        assert house.model.got == [Say("What is new?")]


async def test_a_bug_in_a_session_that_was_handed_over_is_its_loss(tmp_path: Path, autojump_clock: MockClock) -> None:
    """The session before had prepared it; the one that took it lives on with another."""
    async with open_stage(EAGER, None, tmp_path) as stage:
        person = await stage.connect()
        for action in ("start_session", "end_session", "start_session"):
            await person.send(action, input_type="audio")
            await trio.sleep(1)
        taken = stage.model
        assert taken.id == "fake_1"
        taken.say(object())  # type: ignore[arg-type]
        await trio.sleep(1)
        assert person.types()[-1] == "neko.session_swapped"
        assert stage.model is not taken
        assert {*stage.models.live} == {*stage.kept}
