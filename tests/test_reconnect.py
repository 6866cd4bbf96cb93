"""Who owns the character: take-over, vanishing, coming back, draining."""

from __future__ import annotations

from typing import Any

import pybase64
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.audio.ledger import Ledger
from neko.conversation.journal import NoJournal
from neko.nurseries.connection import HEARTBEAT_S, HEARTBEAT_WITHIN
from neko.nurseries.guest import Guest
from neko.nurseries.outbox import Outbox
from neko.nurseries.subscription import Subscription
from neko.protocol.client import AudioFraming
from neko.protocol.errors import StatusCode
from neko.protocol.server import Status, UserActivity
from neko.realtime.session import AudioDelta, ReplyDone, ReplyStarted, ReplyStatus, Say, SpeechStarted, TextDelta
from neko.testing.person import Person
from tests.conftest import FakeHouse

TENTH = bytes(2 * 2_400)  # 100 ms of PCM16 at 24 kHz
NAME = "Mimi"


async def started(house: FakeHouse, person: Person) -> dict[str, Any]:
    await person.send("start_session", input_type="audio")
    await wait_all_tasks_blocked()
    return person.of("session_started")[-1]


def sound(frames: list[dict[str, Any]]) -> bytes:
    return b"".join(pybase64.b64decode(frame["audio"]) for frame in frames)


async def test_a_second_client_takes_over_the_same_model_session(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as first:
        await started(house, first)
        async with house.client() as second:
            await wait_all_tasks_blocked()
            assert first.codes() == ["CHARACTER_SWITCHING_TERMINAL"]
            assert first.closed == 4001
            await second.send("start_session", input_type="audio")
            await wait_all_tasks_blocked()
            assert second.types() == ["session_started"]
            house.model.say(ReplyStarted("r1"), TextDelta("r1", "Hello."))
            await wait_all_tasks_blocked()
            assert second.types() == ["session_started", "gemini_response"]
    assert len(house.models.sessions) == 1


async def test_a_client_that_leaves_takes_the_session_along(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await started(house, person)
        await person.leave()
        await wait_all_tasks_blocked()
        assert house.models.live == []
        assert house.managers[NAME].websocket is None


async def test_a_vanished_clients_session_waits_and_then_ends(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await started(house, person)
        await person.vanish()
    await trio.sleep(29.9)
    assert len(house.models.live) == 1
    await trio.sleep(0.2)
    assert house.models.live == []


async def test_resume_brings_what_was_missed_once_and_speech_at_its_sample(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as first:
        token = (await started(house, first))["resume_token"]
        house.model.say(ReplyStarted("r1"), TextDelta("r1", "A long story. "))
        for _ in range(10):
            house.model.say(AudioDelta("r1", "i1", TENTH))
        await wait_all_tasks_blocked()
        seen = first.got[:6]  # the rest was on its way when the connection broke
        await first.vanish()
    for _ in range(10):
        house.model.say(AudioDelta("r1", "i1", TENTH))
    house.model.say(ReplyDone("r1", ReplyStatus.COMPLETED))
    await trio.sleep(5)
    async with house.client() as second:
        await second.send("resume", token=token, last_seq=seen[-1]["seq"])
        await wait_all_tasks_blocked()
        everything = seen + second.got
        assert [frame["seq"] for frame in everything] == list(range(1, len(everything) + 1))
        assert everything[-1]["type"] == "system"
        assert everything[-1]["interrupted"] is False
        chunks = [frame for frame in everything if frame["type"] == "audio_chunk"]
        assert len(sound(chunks)) == 2 * 20 * len(TENTH)
        assert len(house.models.sessions) == 1
        await second.send("stream_data", input_type="text", data="go on")
        await wait_all_tasks_blocked()
        assert house.model.got[-1] == Say("go on")


async def test_what_has_arrived_is_kept_for_a_second_of_speech_and_not_for_ever(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    """The client has answered the pings behind it: nothing of it can be missing."""
    async with house.client() as first:
        token = (await started(house, first))["resume_token"]
        house.model.say(ReplyStarted("r1"), *(AudioDelta("r1", "i1", TENTH) for _ in range(100)))
        await wait_all_tasks_blocked()
        chunks = first.of("audio_chunk")
        await first.vanish()
    async with house.client() as second:
        await second.send("resume", token=token, last_seq=chunks[-8]["seq"])
        await wait_all_tasks_blocked()
        assert [frame["seq"] for frame in second.of("audio_chunk")] == [frame["seq"] for frame in chunks[-7:]]
        await second.vanish()
    async with house.client() as third:
        await third.send("resume", token=token, last_seq=chunks[50]["seq"])
        await wait_all_tasks_blocked()
        assert third.codes() == ["INVALID_VALUE"]


@pytest.mark.parametrize(("token", "last_seq"), [("wrong", 1), (None, 99), (None, -5)])
async def test_a_resume_that_cannot_be_is_a_fresh_connection(
    house: FakeHouse, autojump_clock: MockClock, token: str | None, last_seq: int
) -> None:
    async with house.client() as first:
        known = (await started(house, first))["resume_token"]
        await first.vanish()
    async with house.client() as second:
        await second.send("resume", token=token or known, last_seq=last_seq)
        await second.send("start_session", input_type="audio")
        await wait_all_tasks_blocked()
        assert second.codes() == ["INVALID_VALUE"]
        assert second.types()[-1] == "session_started"
        assert len(house.models.sessions) == 1


async def test_what_waits_for_a_client_goes_with_it_to_the_session() -> None:
    """A refused resume is answered beside the session, and perhaps not read yet when the client starts or joins one."""
    beside, session = (Outbox(Ledger(), NoJournal()) for _ in range(2))
    client = Subscription(beside, Guest(AudioFraming.BASE64))
    client.begin(after=None)
    for outbox, details in ((beside, "no such session"), (session, "welcome")):
        outbox.post(Status(StatusCode.INVALID_VALUE, details))
    client.join(session)
    got = [await client.receive(), await client.receive()]
    assert [entry[1].details for entry in got if entry and isinstance(entry[1], Status)] == [
        "no such session",
        "welcome",
    ]


async def test_resume_without_any_session(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await person.send("resume", token="old", last_seq=3)
        await wait_all_tasks_blocked()
        assert person.codes() == ["INVALID_VALUE"]
        await started(house, person)


async def test_binary_framing_is_asked_for_at_the_start(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client(framing=AudioFraming.BASE64) as person:
        await person.send("start_session", input_type="audio", audio_format="binary")
        await wait_all_tasks_blocked()
        house.model.say(ReplyStarted("r1"), AudioDelta("r1", "i1", TENTH), ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        chunks = person.of("audio_chunk")
        assert all("audio" not in chunk for chunk in chunks)
        assert sum(len(chunk["pcm"]) for chunk in chunks) == 2 * len(TENTH)


STEPS = 12


@pytest.mark.parametrize("cleanly", [True, False])
@pytest.mark.parametrize("step", range(STEPS))
async def test_a_client_may_go_at_any_moment(
    house: FakeHouse, autojump_clock: MockClock, step: int, cleanly: bool
) -> None:
    """Whatever it was in the middle of: nothing of it is left, and the next client is served as ever."""
    house.models.dial_s = 0.5
    async with house.client() as person:
        with trio.move_on_after(step * 0.15):
            await person.send("start_session", input_type="audio")
            await trio.sleep(1)
            await person.send("stream_data", input_type="audio", data=[1] * 320)
            model = house.models.live[0]
            model.say(SpeechStarted(), ReplyStarted("r1"), TextDelta("r1", "Well, "))
            await trio.sleep(0.25)
            model.say(*(AudioDelta("r1", "i1", TENTH) for _ in range(30)))
            await trio.sleep(0.25)
            model.say(SpeechStarted())
            await person.send("end_session")
        await (person.leave() if cleanly else person.vanish())
    await trio.sleep(31)
    assert (house.models.live, house.models.dialling) == ([], 0)
    manager = house.managers[NAME]
    assert (manager.websocket, manager.session, manager.is_active) == (None, None, False)
    async with house.client() as person:
        await person.send("start_session", input_type="audio")
        await trio.sleep(1)
        assert person.types() == ["session_preparing", "session_started"]
        assert len(house.models.live) == 1


class Nowhere(trio.abc.SendStream):
    """Takes everything and delivers nothing, as a line that broke without a word."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def test_a_client_behind_a_dead_line_has_vanished(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await started(house, person)
        await trio.sleep(60)
        assert house.managers[NAME].websocket is not None
        person.stream.send_stream = Nowhere()  # type: ignore[attr-defined]
        await trio.sleep(HEARTBEAT_S + HEARTBEAT_WITHIN + 0.1)
        assert house.managers[NAME].websocket is None
        assert len(house.models.live) == 1
        await trio.sleep(31)
        assert house.models.live == []


async def test_draining_lets_the_sentence_end_and_says_goodbye(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as person:
        await started(house, person)
        house.model.say(ReplyStarted("r1"), TextDelta("r1", "Just this. "), AudioDelta("r1", "i1", TENTH))
        await wait_all_tasks_blocked()
        manager = house.managers[NAME]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(manager.drain)
            await wait_all_tasks_blocked()
            await person.send("start_session", input_type="text")
            house.model.say(AudioDelta("r1", "i1", TENTH), ReplyDone("r1", ReplyStatus.COMPLETED))
        await manager.dismiss()
        await wait_all_tasks_blocked()
        drained = person.types().index("status")
        told = person.types()[drained:]
        assert [kind for kind in told if kind != "audio_chunk"] == [
            "status",
            "status",
            "session_failed",
            "system",
            "session_ended_by_server",
        ]
        assert set(person.codes()) == {"SERVER_DRAINING"}
        assert person.of("system")[0]["interrupted"] is False
        assert person.closed == 1012
        assert house.models.live == []


async def test_what_was_said_to_no_session_is_not_the_next_clients(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as first:
        await first.send("stream_data", input_type="text", data="my secret")
        await first.send("stream_data", input_type="audio", data=[1] * 240, sample_rate=24_000)
        await wait_all_tasks_blocked()
        await first.leave()
    async with house.client() as second:
        await started(house, second)
        assert house.model.got == []
        assert bytes(house.model.heard) == b""


async def test_a_wrong_token_hears_nothing_and_takes_nothing(house: FakeHouse, autojump_clock: MockClock) -> None:
    async with house.client() as first:
        token = (await started(house, first))["resume_token"]
        last = first.got[-1]["seq"]
        await first.vanish()
    house.model.say(ReplyStarted("r1"), TextDelta("r1", "The plan is secret. "), AudioDelta("r1", "i1", TENTH))
    await wait_all_tasks_blocked()
    async with house.client() as stranger:
        await stranger.send("resume", token="wrong", last_seq=0)
        await wait_all_tasks_blocked()
        assert [(frame["type"], frame["seq"]) for frame in stranger.got] == [("status", 1)]
        await stranger.leave()
    async with house.client() as back:
        await back.send("resume", token=token, last_seq=last)
        await wait_all_tasks_blocked()
        assert [frame["text"] for frame in back.of("gemini_response")] == ["The plan is secret. "]
        assert len(house.models.live) == 1


async def test_a_client_that_says_nothing_leaves_the_waiting_session_alone(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async with house.client() as first:
        await started(house, first)
        await first.vanish()
    async with house.client() as silent:
        await trio.sleep(10)
        await silent.leave()
    await trio.sleep(19)
    assert len(house.models.live) == 1
    await trio.sleep(2)
    assert house.models.live == []


async def test_a_long_replay_gives_way_to_others() -> None:
    """A fast line takes each message at once, and then nothing else would be a checkpoint."""
    outbox, turns = Outbox(Ledger(), NoJournal()), 0
    for _ in range(100):
        outbox.number(UserActivity(None))
    client = Subscription(outbox, Guest(AudioFraming.BASE64))
    assert client.begin(after=0)

    async def others() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        numbers = [entry[0] for _ in range(100) if (entry := await client.receive())]
        nursery.cancel_scope.cancel()
    assert numbers == [*range(1, 101)]
    assert turns >= 50
