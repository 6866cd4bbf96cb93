"""Things that happen at the worst moment: each of these once lost something, or kept somebody waiting."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.nurseries.inbox import BACKLOG as INBOX
from neko.nurseries.ports import Voice
from neko.protocol.client import InputMode
from neko.realtime.errors import Arrears, SessionLost
from neko.realtime.session import (
    AudioDelta,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    Say,
    SpeechStarted,
    TextDelta,
    UserSaid,
)
from neko.testing.person import Person
from tests.conftest import FakeHouse
from tests.slow_line import slow_down

TENTH = bytes(2 * 2_400)  # 100 ms of PCM16 at 24 kHz
NAME = "Mimi"


async def started(person: Person, kind: str = "audio") -> str:
    """Starts a session; its resume token."""
    await person.send("start_session", input_type=kind)
    await wait_all_tasks_blocked()
    return str(person.of("session_started")[-1]["resume_token"])


async def test_coming_back_while_the_old_socket_is_still_open(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as first:
        token = await started(first)
        async with house.client() as second:
            await second.send("resume", token=token, last_seq=first.got[-1]["seq"])
            await second.send("ping")
            await wait_all_tasks_blocked()
            assert second.types() == ["pong"]
            house.model.say(UserSaid("hello"))
            await wait_all_tasks_blocked()
            assert second.got[-1]["seq"] == 3


async def test_a_start_that_is_cancelled_leaves_the_character_alive(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    manager = house.managers[NAME]
    async with house.client() as first:
        await wait_all_tasks_blocked()
        assert manager.websocket is not None
        with trio.CancelScope() as scope:
            scope.cancel()
            await manager.start_session(manager.websocket, False, InputMode.AUDIO)
        await first.vanish()
    async with house.client() as second:
        await started(second)
        assert second.types()[-1] == "session_started"


async def test_typing_on_before_the_start_is_answered_not_swallowed(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as person:
        for number in range(INBOX + 2):
            await person.send("stream_data", input_type="text", data=f"t{number}")
        await started(person, "text")
        assert person.codes() == ["SERVER_BUSY"] * 2
        assert [command.text for command in house.model.got if isinstance(command, Say)] == [
            f"t{number}" for number in range(INBOX)
        ]


async def test_of_pictures_that_wait_the_youngest_is_shown(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        for name in ("AAAA", "BBBB"):
            await person.send("stream_data", input_type="screen", data=f"data:image/png;base64,{name}")
        await started(person)
        assert [getattr(command, "url", "") for command in house.model.got] == ["data:image/png;base64,BBBB"]


@pytest.mark.parametrize("resumes", [True, False])
async def test_coming_back_just_after_the_session_expired(
    house: FakeHouse, autojump_clock: MockClock, resumes: bool
) -> None:
    house.models.close_s = 2.0
    async with house.client() as first:
        token = await started(first)
        await first.vanish()
    await trio.sleep(30.5)
    assert len(house.models.live) == 1  # still saying goodbye
    async with house.client() as second:
        if resumes:
            await second.send("resume", token=token, last_seq=1)
        await second.send("start_session", input_type="audio")
        await trio.sleep(5)
        assert second.codes() == (["INVALID_VALUE"] if resumes else [])
        assert second.types()[-2:] == ["session_preparing", "session_started"]
        assert len(house.models.live) == 1


async def test_a_start_at_the_moment_of_a_loss_is_answered(house: FakeHouse, autojump_clock: MockClock) -> None:
    house.models.close_s = 2.0
    async with house.client() as person:
        await started(person)
        house.model.say(SessionLost("gone"))
        await wait_all_tasks_blocked()
        assert person.codes() == ["API_UNREACHABLE"]
        await person.send("start_session", input_type="audio")
        await trio.sleep(5)
        assert {"session_started", "neko.session_swapped"} <= set(person.types()[3:])
        assert len(house.models.live) == 1


async def test_a_session_that_is_lost_as_it_comes_up_is_no_session(house: FakeHouse, autojump_clock: MockClock) -> None:
    house.models.first_words = (Arrears("no money"),)
    async with house.client() as person:
        await person.send("start_session", input_type="audio")
        await wait_all_tasks_blocked()
        assert set(person.codes()) == {"API_ARREARS"}
        # Whether it had started by then is a matter of the scheduler; that it is over is not.
        assert person.types()[-1] in {"session_failed", "session_ended_by_server"}
        assert not house.managers[NAME].is_active


async def test_the_turn_end_is_told_though_the_client_is_slow(
    house: FakeHouse, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house.client() as person:
        await started(person)
        slow_down(monkeypatch, 1)
        house.model.say(ReplyStarted("r1"), *(TextDelta("r1", f"w{n} ") for n in range(300)))
        house.model.say(ReplyDone("r1", ReplyStatus.COMPLETED))
        await trio.sleep(20)
        await person.send("end_session")
        monkeypatch.undo()
        await trio.sleep(20)
        assert len(person.of("system")) == 1
        assert person.types()[-2:] == ["system", "status"]


async def test_a_barge_in_overtakes_the_sound_that_waits(
    house: FakeHouse, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that carries 100 ms of speech in 100 ms, and 90 s of a reply that came at once."""
    async with house.client() as person:
        await started(person)
        slow_down(monkeypatch, 0.1)
        house.model.say(ReplyStarted("r1"), TextDelta("r1", "A long story. "))
        house.model.say(*(AudioDelta("r1", "i1", TENTH) for _ in range(900)))
        await trio.sleep(2)
        house.model.say(SpeechStarted())
        before = len(person.got)
        await trio.sleep(1)
        # The frame that is being sent, and the one that may have come in this instant, cannot be called back.
        assert person.types()[before:].index("user_activity") <= 2
        assert person.types()[-1] == "system"


async def test_a_drain_does_not_wait_for_a_client_that_is_gone(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await started(person)
        house.model.say(ReplyStarted("r1"))
        await person.vanish()
    house.model.say(*(TextDelta("r1", f"w{n} ") for n in range(400)))
    await wait_all_tasks_blocked()
    began = trio.current_time()
    await house.managers[NAME].drain()
    await house.managers[NAME].dismiss()
    assert trio.current_time() == began
    assert house.models.live == []


async def test_cleanup_closes_the_socket(house: FakeHouse, autojump_clock: MockClock) -> None:
    manager = house.managers[NAME]
    async with house.client() as person:
        await started(person)
        assert manager.websocket is not None
        manager.cleanup(manager.websocket)
        await wait_all_tasks_blocked()
        assert person.closed == 1000
        assert house.models.live == []


async def test_a_voice_that_fails_leaves_the_words(house: FakeHouse, autojump_clock: MockClock) -> None:
    async def speak(requests: trio.MemoryReceiveChannel[str], responses: trio.MemorySendChannel[bytes]) -> None:
        async with requests, responses:
            async for _ in requests:
                raise RuntimeError("no voice today")

    manager = house.managers[NAME]
    manager._ports = attrs.evolve(manager._ports, voice=lambda *_: Voice(24_000, speak))
    async with house.client() as person:
        await started(person, "text")
        house.model.say(ReplyStarted("r1"), TextDelta("r1", "Hello there. And more of it. And the end."))
        house.model.say(ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert person.codes() == ["TTS_CONNECTION_FAILED"]
        assert "".join(f["text"] for f in person.of("gemini_response")) == "Hello there. And more of it. And the end."
        assert [f["interrupted"] for f in person.of("system")] == [False]
        assert len(house.models.live) == 1


async def test_a_reply_whose_end_is_forgotten_does_not_hold_the_next(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as person:
        await started(person)
        house.model.say(ReplyStarted("r1"), TextDelta("r1", "First."), ReplyStarted("r2"), TextDelta("r2", "Second."))
        house.model.say(ReplyDone("r2", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert [f["text"] for f in person.of("gemini_response")] == ["First.", "Second."]
        assert [f["interrupted"] for f in person.of("system")] == [False, False]


async def test_the_next_session_knows_what_was_cut_off(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await started(person)
        house.model.say(UserSaid("tell me a story"), ReplyStarted("r1"), TextDelta("r1", "Once upon a time. "))
        house.model.say(AudioDelta("r1", "i", TENTH * 20))
        await trio.sleep(1.0)
        await started(person, "text")
        await person.send("stream_data", input_type="text", data="And then?")
        await wait_all_tasks_blocked()
        assert [line.text for line in house.model.primed][-2:] == ["tell me a story", "Once upon"]
        assert house.model.got == [Say("And then?")]


async def test_a_reply_that_the_provider_gave_up_ends_as_interrupted(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as person:
        await started(person)
        house.model.say(ReplyStarted("r1"), TextDelta("r1", "I was"), ReplyDone("r1", ReplyStatus.FAILED))
        await wait_all_tasks_blocked()
        assert [f["interrupted"] for f in person.of("system")] == [True]


async def test_a_blind_model_is_not_shown_pictures_and_the_person_is_told_once(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    house.models.sees = False
    async with house.client() as person:
        await started(person, "text")
        for _ in range(3):
            await person.send("stream_data", input_type="screen", data="data:image/png;base64,AAAA")
            await wait_all_tasks_blocked()
        await person.send("stream_data", input_type="text", data="what do you see?")
        await wait_all_tasks_blocked()
        assert person.codes() == ["INVALID_INPUT_TYPE"]
        assert house.model.got == [Say("what do you see?")]


async def test_in_a_typed_conversation_what_was_shown_was_said(house: FakeHouse, autojump_clock: MockClock) -> None:
    manager = house.managers[NAME]

    async def speak(requests: trio.MemoryReceiveChannel[str], responses: trio.MemorySendChannel[bytes]) -> None:
        async with requests, responses:
            async for _ in requests:
                await responses.send(TENTH * 20)

    manager._ports = attrs.evolve(manager._ports, voice=lambda *_: Voice(24_000, speak))
    async with house.client() as person:
        await started(person, "text")
        house.model.say(ReplyStarted("r1"), TextDelta("r1", "I love hot ramen and"))
        await wait_all_tasks_blocked()
        await person.send("stream_data", input_type="text", data="stop")
        await wait_all_tasks_blocked()
        assert [u.text for u in manager.history] == ["I love hot ramen and", "stop"]
