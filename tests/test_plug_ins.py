"""Voices and tools of others: ones that complain when they are cut off, and ones that take long."""

from __future__ import annotations

from pathlib import Path

import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.nurseries.ports import Speak, Voice
from neko.realtime.session import ReplyDone, ReplyStarted, ReplyStatus, SpeechStarted, TextDelta, ToolCalled, UserSaid
from neko.testing.person import Person, open_person
from tests.conftest import FakeHouse
from tests.eager_house import GONE, EagerHouse, start


class Vendor:
    """A voice or a tool with a connection that raises an error of its own when it is cut off."""

    def __init__(self) -> None:
        self.complaints = 0

    async def use(self, *_: object) -> str:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._connection)
            await trio.sleep_forever()
        raise AssertionError

    async def _connection(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.complaints += 1
            raise RuntimeError("the vendor's socket was cut off")


def give_voice(house: FakeHouse, speak: Speak) -> None:
    mimi = house.managers["Mimi"]
    mimi._ports = evolve(mimi._ports, voice=lambda *_: Voice(24_000, speak))


async def use_tool(eager: EagerHouse, person: Person) -> Vendor:
    """A session in which a tool is at work."""
    vendor = Vendor()
    eager.tools["tea"] = vendor.use
    await start(person)
    eager.current.say(ReplyStarted("r1"), ToolCalled("c1", "tea", "{}"))
    await wait_all_tasks_blocked()
    return vendor


async def test_a_voice_that_complains_of_a_barge_in_costs_its_speech_only(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    vendor = Vendor()

    async def speak(phrases: trio.MemoryReceiveChannel[str], sound: trio.MemorySendChannel[bytes]) -> None:
        async with phrases, sound:
            await vendor.use()

    give_voice(house, speak)
    async with house.client() as person:
        await start(person)
        house.model.say(ReplyStarted("r1"), TextDelta("r1", "A long story. "))
        await wait_all_tasks_blocked()
        house.model.say(SpeechStarted())
        await trio.sleep(1)
        assert vendor.complaints == 1
        assert person.types()[-2:] == ["user_activity", "system"]
        assert house.models.live == [house.model]


async def test_a_tool_that_complains_of_the_end_does_not_end_the_house(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    eager = EagerHouse(tmp_path)
    async with trio.open_nursery() as nursery:
        await nursery.start(eager.mimi.run)
        async with open_person(eager.mimi) as person:
            vendor = await use_tool(eager, person)
            nursery.cancel_scope.cancel()
    assert vendor.complaints == 1


async def test_a_tool_that_complains_of_the_end_is_no_bug(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with open_person(eager.mimi) as person:
        vendor = await use_tool(eager, person)
        await person.send("end_session")
        await trio.sleep(1)
        assert vendor.complaints == 1
        assert person.codes() == ["CHARACTER_LEFT"]


async def test_words_that_wait_behind_a_slow_voice_are_known_to_the_next_session(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async def slowly(phrases: trio.MemoryReceiveChannel[str], sound: trio.MemorySendChannel[bytes]) -> None:
        async with phrases, sound:
            async for _ in phrases:
                await trio.sleep(5)
                await sound.send(bytes(4_800))

    give_voice(house, slowly)
    async with house.client() as person:
        await start(person)
        old = house.model
        old.say(UserSaid("the weather?"), ReplyStarted("r1"), TextDelta("r1", "Let me look. "))
        old.say(ReplyDone("r1", ReplyStatus.COMPLETED), ReplyStarted("r2"), TextDelta("r2", "It is sunny. "))
        old.say(ReplyDone("r2", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        old.say(GONE)
        await trio.sleep(30)
        assert "".join(frame["text"] for frame in person.of("gemini_response")) == "Let me look. It is sunny. "
        assert house.model is not old
        assert "It is sunny." in [line.text.strip() for line in house.model.primed]
