"""Starting, ending and leaving: failures A, C, D, G and H of the original, on virtual time."""

from __future__ import annotations

from array import array

import pytest
import trio
import trio.testing
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.nurseries.inbox import JOINED_S
from neko.nurseries.session import START_WITHIN
from neko.realtime.errors import KeyRejected, SessionLost
from neko.realtime.session import ReplyStarted, Say, TextDelta
from tests.conftest import FakeHouse


async def test_start_and_end(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await person.send("start_session", input_type="text")
        await person.send("end_session")
        await wait_all_tasks_blocked()
        assert person.types()[-1] == "status"
        assert person.codes() == ["CHARACTER_LEFT"]
        assert house.models.live == []
        assert person.closed is None
        await person.send("start_session", input_type="text")
        await wait_all_tasks_blocked()
        assert person.types()[-2:] == ["session_preparing", "session_started"]
        assert len(house.models.live) == 1


async def test_twenty_clients_that_leave_in_the_handshake_leave_nothing(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    """Failure A."""
    house.models.dial_s = 60.0
    for _ in range(20):
        async with house.client() as person:
            await person.send("start_session", input_type="audio")
            await wait_all_tasks_blocked()
            assert house.models.dialling == 1
            await person.leave()
        await wait_all_tasks_blocked()
        assert house.models.dialling == 0
    assert house.models.sessions == []


@pytest.mark.parametrize("cleanly", [True, False])
async def test_a_client_that_drops_in_a_start_and_comes_back_gets_its_own_start(
    house: FakeHouse, autojump_clock: MockClock, cleanly: bool
) -> None:
    """Failure C."""
    house.models.dial_s = 1.0
    async with house.client() as first:
        await first.send("start_session", input_type="audio")
        await trio.sleep(0.5)
        await (first.leave() if cleanly else first.vanish())
    async with house.client() as second:
        await second.send("start_session", input_type="audio")
        await trio.sleep(2)
        assert second.types() == ["session_preparing", "session_started"]
        [live] = house.models.live
        assert house.managers["Mimi"].session is live


async def test_the_end_of_one_session_does_not_delay_another_characters_ping(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    """Failure D."""
    async with house.client("Mimi") as mimi, house.client("Taro") as taro:
        for person in (mimi, taro):
            await person.send("start_session", input_type="text")
        await wait_all_tasks_blocked()
        asked = trio.current_time()
        await mimi.send("end_session")
        await taro.send("ping")
        while "pong" not in taro.types():
            await wait_all_tasks_blocked()
        assert trio.current_time() == asked


async def test_microphone_frames_keep_their_order(house: FakeHouse, autojump_clock: MockClock) -> None:
    """Failure G: a thousand frames of every form, each with its own number in every sample."""
    async with house.client() as person:
        await person.send("start_session", input_type="audio")
        await person.send("mic_format", sample_rate=24_000)
        await wait_all_tasks_blocked()
        for number in range(1, 1001):
            await person.send_raw(array("h", [number] * 24).tobytes())
        await trio.sleep(2 * JOINED_S)
        heard = array("h", bytes(house.model.heard))
        assert list(heard) == [number for number in range(1, 1001) for _ in range(24)]


class Steps(trio.abc.Instrument):
    """Counts how often a task runs."""

    def __init__(self) -> None:
        self.count = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += 1


async def test_ten_idle_minutes_cost_next_to_nothing(house: FakeHouse, autojump_clock: MockClock) -> None:
    """Failure H: nothing polls. What remains is a ping and a pong every 20 s, here with the client's side of it."""
    async with house.client() as person:
        await person.send("start_session", input_type="text")
        await wait_all_tasks_blocked()
        steps = Steps()
        trio.lowlevel.add_instrument(steps)
        await trio.sleep(600)
        trio.lowlevel.remove_instrument(steps)
        assert steps.count <= 30 * 16


async def test_two_starts_at_once_get_one_answer(house: FakeHouse, autojump_clock: MockClock) -> None:
    house.models.dial_s = 1.0
    async with house.client() as person:
        await person.send("start_session", input_type="audio")
        await person.send("start_session", input_type="audio")
        await trio.sleep(2)
        assert person.types() == ["session_preparing", "session_started"]
        assert len(house.models.sessions) == 1


async def test_a_start_in_a_running_session_is_answered_at_once(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await person.send("start_session", input_type="audio")
        await wait_all_tasks_blocked()
        await person.send("start_session", input_type="camera")
        await wait_all_tasks_blocked()
        assert person.types() == ["session_preparing", "session_started", "session_started"]
        assert len({frame["session_id"] for frame in person.of("session_started")}) == 1
        assert len(house.models.sessions) == 1


async def test_another_mode_is_another_session(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await person.send("start_session", input_type="audio")
        await person.send("start_session", input_type="text")
        await wait_all_tasks_blocked()
        assert person.of("session_started")[-1]["input_mode"] == "text"
        assert [session.mode for session in house.models.live] == ["text"]


async def test_a_start_that_takes_too_long_fails_before_the_client_gives_up(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    house.models.dial_s = 3600.0
    async with house.client() as person:
        asked = trio.current_time()
        await person.send("start_session", input_type="audio")
        await trio.sleep(START_WITHIN + 0.01)
        assert person.types() == ["session_preparing", "status", "session_failed"]
        assert person.codes() == ["SESSION_START_FAILED"]
        assert trio.current_time() - asked < 10
        assert house.models.dialling == 0


async def test_a_refused_key_is_told_and_the_next_start_may_succeed(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    house.models.refusal = KeyRejected("the key is not known")
    async with house.client() as person:
        await person.send("start_session", input_type="audio")
        await wait_all_tasks_blocked()
        assert person.types() == ["session_preparing", "status", "session_failed"]
        assert person.codes() == ["API_KEY_REJECTED"]
        house.models.refusal = None
        await person.send("start_session", input_type="audio")
        await wait_all_tasks_blocked()
        assert person.types()[-1] == "session_started"


async def test_audio_before_the_start_is_kept_in_order(house: FakeHouse, autojump_clock: MockClock) -> None:
    house.models.dial_s = 2.0
    async with house.client() as person:
        await person.send("stream_data", input_type="audio", data=[1] * 240, sample_rate=24_000)
        await person.send("start_session", input_type="audio")
        await person.send("stream_data", input_type="audio", data=[2] * 240, sample_rate=24_000)
        await trio.sleep(3)
        await person.send("stream_data", input_type="audio", data=[3] * 240, sample_rate=24_000)
        await trio.sleep(2 * JOINED_S)
        assert person.codes() == []
        assert list(array("h", bytes(house.model.heard))) == [1] * 240 + [2] * 240 + [3] * 240


async def test_of_too_much_audio_before_the_start_the_oldest_is_dropped(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    house.models.dial_s = 8.0
    async with house.client() as person:
        await person.send("start_session", input_type="audio")
        for second in range(1, 8):
            await person.send("stream_data", input_type="audio", data=[second] * 24_000, sample_rate=24_000)
        await trio.sleep(8.5)
        heard = array("h", bytes(house.model.heard))
        assert list(heard) == [second for second in range(3, 8) for _ in range(24_000)]


async def test_sound_from_long_before_a_start_belongs_to_nothing(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await person.send("stream_data", input_type="audio", data=[1] * 240, sample_rate=24_000)
        await trio.sleep(60)
        await person.send("start_session", input_type="audio")
        await wait_all_tasks_blocked()
        assert bytes(house.model.heard) == b""


async def test_text_before_the_start_is_answered(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await person.send("stream_data", input_type="text", data="are you there?")
        await person.send("start_session", input_type="text")
        await wait_all_tasks_blocked()
        assert house.model.got == [Say("are you there?")]


async def test_sound_in_a_text_session_is_told_once(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await person.send("start_session", input_type="text")
        await wait_all_tasks_blocked()
        for _ in range(5):
            await person.send("stream_data", input_type="audio", data=[1] * 320)
        await wait_all_tasks_blocked()
        assert person.codes() == ["INVALID_INPUT_TYPE"]


async def test_a_lost_session_that_cannot_be_replaced_is_told_with_its_reason(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as person:
        await person.send("start_session", input_type="audio")
        await wait_all_tasks_blocked()
        house.models.refusal = KeyRejected("the key is not known any more")
        house.model.say(ReplyStarted("r1"), TextDelta("r1", "I was"), SessionLost("the provider closed with 1011"))
        await wait_all_tasks_blocked()
        assert person.types()[-1] == "session_ended_by_server"
        assert person.codes() == ["API_UNREACHABLE", "API_KEY_REJECTED"]
        assert [frame["interrupted"] for frame in person.of("system")] == [True]
        assert house.models.live == []


async def test_a_bug_ends_one_conversation_only(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client("Mimi") as mimi, house.client("Taro") as taro:
        for person in (mimi, taro):
            await person.send("start_session", input_type="text")
        await wait_all_tasks_blocked()
        house.models.sessions[0].say(object())  # type: ignore[arg-type]
        await wait_all_tasks_blocked()
        assert mimi.codes() == ["SERVER_ERROR"]
        assert mimi.types()[-1] == "session_ended_by_server"
        await taro.send("ping")
        await mimi.send("start_session", input_type="text")
        await wait_all_tasks_blocked()
        assert taro.types()[-1] == "pong"
        assert mimi.types()[-1] == "session_started"


async def test_an_idle_conversation_ends(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await person.send("start_session", input_type="audio")
        await trio.sleep(1801)
        assert person.types()[-1] == "session_ended_by_server"
        assert house.models.live == []
