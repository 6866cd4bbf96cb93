"""A provider that does not tell when somebody speaks: what is loud is not cut in two by a swap that can wait."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

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
from neko.testing import silence, tag
from neko.testing.fake_model import VOICED
from neko.testing.person import Person, open_person
from tests.eager_house import EagerHouse, start

HZ = 24_000


@asynccontextmanager
async def talking(house: EagerHouse) -> AsyncIterator[Person]:
    """To somebody who does not tell when they hear speech."""
    house.models.voiced = evolve(VOICED, tells_speech=False)
    async with open_person(house.mimi) as person:
        await start(person)
        await person.send("mic_format", sample_rate=HZ)
        yield person


async def send(person: Person, pcm: bytes) -> None:
    for at in range(0, len(pcm), 960):
        await person.send_raw(pcm[at : at + 960])
    await wait_all_tasks_blocked()


async def swapped(eager: EagerHouse, person: Person) -> bytes:
    """What the next session is given."""
    await person.send("swap_session", when="now", voice="calm")
    await wait_all_tasks_blocked()
    return bytes(eager.current.heard)


def swaps(person: Person) -> list[dict[str, Any]]:
    return person.of("neko.session_swapped")


async def test_a_swap_at_turn_waits_for_the_answer(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with talking(eager) as person:
        await send(person, tag(0, 100, HZ))
        await person.send("swap_session", when="turn", voice="calm")
        await send(person, tag(100, 100, HZ) + silence(50, HZ))
        assert swaps(person) == []
        eager.current.say(SpeechStarted(), SpeechStopped(), UserSaid("hello"), ReplyStarted("r1"))
        eager.current.say(ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert [frame["lost_ms"] for frame in swaps(person)] == [0]


async def test_all_of_a_long_utterance_is_given_to_the_next_session(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with talking(eager) as person:
        spoken = tag(0, 2_000, HZ)
        await send(person, spoken)
        assert await swapped(eager, person) == spoken
        assert [frame["lost_ms"] for frame in swaps(person)] == [0]


async def test_a_noise_that_nobody_answers_is_forgotten(eager: EagerHouse, autojump_clock: MockClock) -> None:
    async with talking(eager) as person:
        await send(person, tag(0, 20, HZ))
        await person.send("swap_session", when="turn", voice="calm")
        await send(person, silence(1_400, HZ))
        assert swaps(person) == []
        await send(person, silence(200, HZ))
        assert len(swaps(person)) == 1


SAID = (SpeechStarted(), SpeechStopped(), UserSaid("hello"), ReplyStarted("r1"), TextDelta("r1", "Hi."))
CLICKS = b"".join(silence(8, HZ) + tag(900 + number, 2, HZ) for number in range(11))


@pytest.mark.parametrize("after", [b"", CLICKS], ids=["the microphone is off", "somebody types"])
async def test_what_was_answered_is_not_given_again(after: bytes, eager: EagerHouse, autojump_clock: MockClock) -> None:
    """There is no pause after the last word, and still it goes on no longer: nothing was said before it."""
    async with talking(eager) as person:
        await send(person, silence(50, HZ) + tag(0, 70, HZ) + after)
        eager.current.say(*SAID, ReplyDone("r1", ReplyStatus.COMPLETED))
        await wait_all_tasks_blocked()
        assert tag(0, 70, HZ) not in await swapped(eager, person)


async def test_what_is_begun_before_the_words_and_over_before_the_reply_is_given_on(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with talking(eager) as person:
        await send(person, tag(0, 70, HZ) + silence(20, HZ) + tag(70, 8, HZ))
        eager.current.say(*SAID[:-1])
        await wait_all_tasks_blocked()
        await send(person, tag(78, 8, HZ) + silence(16, HZ))
        eager.current.say(SAID[-1])
        await wait_all_tasks_blocked()
        got = await swapped(eager, person)
        assert tag(70, 16, HZ) in got
        assert tag(0, 70, HZ) not in got


async def test_who_cuts_into_the_answer_to_what_was_carried_is_listened_to(
    eager: EagerHouse, autojump_clock: MockClock
) -> None:
    async with talking(eager) as person:
        await send(person, tag(0, 50, HZ) + silence(20, HZ) + tag(50, 12, HZ))
        await swapped(eager, person)
        await send(person, tag(62, 4, HZ))
        eager.current.say(*SAID, AudioDelta("r1", "r1", bytes(48_000)))
        await wait_all_tasks_blocked()
        await send(person, tag(66, 20, HZ))
        assert person.of("user_activity") == []
        eager.current.say(SpeechStarted())
        await wait_all_tasks_blocked()
        assert person.types()[-2:] == ["user_activity", "system"]
