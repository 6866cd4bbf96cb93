"""A provider that does not tell when somebody speaks: what is loud is not cut in two by a swap that can wait."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.realtime.session import ReplyDone, ReplyStarted, ReplyStatus, SpeechStarted, SpeechStopped, UserSaid
from neko.testing import silence, tag
from neko.testing.fake_model import VOICED
from neko.testing.person import Person, open_person
from tests.eager_house import EagerHouse, start

HZ = 24_000


async def send(person: Person, pcm: bytes) -> None:
    for at in range(0, len(pcm), 960):
        await person.send_raw(pcm[at : at + 960])
    await wait_all_tasks_blocked()


def swaps(person: Person) -> list[dict[str, Any]]:
    return person.of("neko.session_swapped")


async def test_a_swap_at_turn_waits_for_the_answer(eager: EagerHouse, autojump_clock: MockClock) -> None:
    eager.models.voiced = evolve(VOICED, tells_speech=False)
    async with open_person(eager.mimi) as person:
        await start(person)
        await person.send("mic_format", sample_rate=HZ)
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
    eager.models.voiced = evolve(VOICED, tells_speech=False)
    async with open_person(eager.mimi) as person:
        await start(person)
        await person.send("mic_format", sample_rate=HZ)
        spoken = tag(0, 2_000, HZ)
        await send(person, spoken)
        await person.send("swap_session", when="now", voice="calm")
        await wait_all_tasks_blocked()
        assert bytes(eager.current.heard) == spoken
        assert [frame["lost_ms"] for frame in swaps(person)] == [0]


async def test_a_noise_that_nobody_answers_is_forgotten(eager: EagerHouse, autojump_clock: MockClock) -> None:
    eager.models.voiced = evolve(VOICED, tells_speech=False)
    async with open_person(eager.mimi) as person:
        await start(person)
        await person.send("mic_format", sample_rate=HZ)
        await send(person, tag(0, 20, HZ))
        await person.send("swap_session", when="turn", voice="calm")
        await send(person, silence(1_400, HZ))
        assert swaps(person) == []
        await send(person, silence(200, HZ))
        assert len(swaps(person)) == 1
