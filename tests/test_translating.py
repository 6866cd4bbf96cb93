"""Replies in the person's language: told when they are ready, and nothing waits for them."""

from __future__ import annotations

from math import inf

import trio
from attrs import define, evolve, field
from trio.testing import MockClock, wait_all_tasks_blocked

from neko.config.snapshot import Snapshot
from neko.nurseries.ports import Voice
from neko.nurseries.translating import AT_ONCE
from neko.realtime.session import (
    AudioDelta,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    SpeechStarted,
    TextDelta,
)
from neko.testing.person import Person
from tests.conftest import FakeHouse
from tests.eager_house import GONE

SECOND = bytes(2 * 24_000)


@define
class Translator:
    """Takes `takes_s` for each text; the n-th takes the n-th of them, the last all that follow."""

    takes_s: tuple[float, ...] = (0,)
    asked: list[tuple[str, str, str]] = field(factory=list)
    at_work: int = 0

    async def __call__(self, snapshot: Snapshot, text: str, wanted: str) -> str | None:
        self.asked.append((snapshot.name, text, wanted))
        self.at_work += 1
        try:
            await trio.sleep(self.takes_s[min(len(self.asked), len(self.takes_s)) - 1])
        finally:
            self.at_work -= 1
        return f"<{wanted}> {text}"


def give(house: FakeHouse, translator: Translator, voice: Voice | None = None) -> None:
    mimi = house.managers["Mimi"]
    mimi._ports = evolve(mimi._ports, translate=translator, voice=lambda *_: voice)


async def start(person: Person, language: str | None = "de", kind: str = "audio") -> None:
    said = {} if language is None else {"language": language}
    await person.send("start_session", input_type=kind, **said)
    await wait_all_tasks_blocked()


async def reply(house: FakeHouse, name: str, text: str = "Good morning.", sound: bytes = b"") -> None:
    house.model.say(ReplyStarted(name), TextDelta(name, text))
    if sound:
        house.model.say(AudioDelta(name, "item", sound))
    house.model.say(ReplyDone(name, ReplyStatus.COMPLETED))
    await wait_all_tasks_blocked()


def told(person: Person) -> list[str]:
    """What of replies arrived, in order."""
    words = {"gemini_response": "text", "audio_chunk": "sound", "system": "end", "translation": "translation"}
    return [words[frame["type"]] for frame in person.got if frame["type"] in words]


async def test_a_reply_is_translated_once_and_nothing_waits_for_it(house: FakeHouse, autojump_clock: MockClock) -> None:
    give(house, Translator((20, 21)))
    async with house.client() as person:
        await start(person)
        began = trio.current_time()
        await reply(house, "r1", sound=SECOND)
        assert told(person)[-1] == "end"
        await reply(house, "r2", "How are you?", SECOND)
        assert told(person).count("end") == 2
        assert trio.current_time() == began
        await trio.sleep(30)
        first, second = (frame["turn_id"] for frame in person.of("system"))
        assert [(f["text"], f["language"], f["turn_id"]) for f in person.of("translation")] == [
            ("<de> Good morning.", "de", first),
            ("<de> How are you?", "de", second),
        ]


async def test_a_translation_that_is_ready_is_told_before_the_voice_has_ended(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    async def speak(phrases: trio.MemoryReceiveChannel[str], sound: trio.MemorySendChannel[bytes]) -> None:
        async with phrases, sound:
            async for _ in phrases:
                await trio.sleep(5)
                await sound.send(SECOND)

    translator = Translator((1,))
    give(house, translator, Voice(24_000, speak))
    async with house.client() as person:
        await start(person)
        await reply(house, "r1", "Good morning. Did you sleep well?")
        await trio.sleep(20)
        assert translator.asked == [("Mimi", "Good morning. Did you sleep well?", "de")]
        assert told(person)[0] == "text"
        assert told(person)[-1] == "end"
        assert told(person).index("translation") < told(person).index("sound")


async def test_whoever_speaks_the_character_s_language_gets_none(house: FakeHouse, autojump_clock: MockClock) -> None:
    translator = Translator()
    give(house, translator)
    async with house.client() as person:
        for language in (None, "en", "en-GB", ""):
            await start(person, language)
            await reply(house, f"r{language}")
    assert translator.asked == []


async def test_no_words_are_no_task(house: FakeHouse, autojump_clock: MockClock) -> None:
    translator = Translator()
    give(house, translator)
    async with house.client() as person:
        await start(person)
        await reply(house, "r1", "<happy> ", SECOND)
    assert translator.asked == []


async def test_the_language_changes_with_any_frame(house: FakeHouse, autojump_clock: MockClock) -> None:
    translator = Translator()
    give(house, translator)
    async with house.client() as person:
        await start(person, "zh_TW")
        await reply(house, "r1")
        await person.send("language_update", language="jp")
        await reply(house, "r2")
        await person.send("stream_data", input_type="audio", data=[0] * 160, language="fr")
        await reply(house, "r3")
        await person.send("ping", language="en")
        await reply(house, "r4")
        assert [frame["language"] for frame in person.of("translation")] == ["zh-TW", "ja", "fr"]
        assert person.codes() == []


async def test_a_name_that_is_no_language_costs_a_word_and_no_session(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    give(house, Translator())
    async with house.client() as person:
        await start(person, "Klingon")
        assert person.types()[-1] == "session_started"
        assert person.codes() == ["INVALID_VALUE"]
        assert '"Klingon"; accepted: a tag such as' in person.of("status")[0]["message"].replace("\\", "")
        await person.send("language_update", language="de")
        for _ in range(3):
            await person.send("stream_data", input_type="audio", data=[0] * 160, language="Klingon")
        await reply(house, "r1")
        assert [frame["language"] for frame in person.of("translation")] == ["de"]
        assert person.codes() == ["INVALID_VALUE"]


async def test_an_interrupted_reply_is_translated_no_more(house: FakeHouse, autojump_clock: MockClock) -> None:
    translator = Translator((2,))
    give(house, translator)
    async with house.client() as person:
        await start(person)
        await reply(house, "r1", sound=5 * SECOND)
        assert told(person)[-1] == "end"  # all is told, and still plays
        await trio.sleep(1)
        house.model.say(SpeechStarted())
        await wait_all_tasks_blocked()
        assert translator.at_work == 0
        await trio.sleep(5)
        assert "translation" not in told(person)
        assert told(person)[-1] == "end"


async def test_a_reply_that_was_cut_while_it_was_told_is_not_translated(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    translator = Translator()
    give(house, translator)
    async with house.client() as person:
        await start(person)
        house.model.say(ReplyStarted("r1"), TextDelta("r1", "Good "))
        await wait_all_tasks_blocked()
        house.model.say(SpeechStarted(), ReplyStarted("r2"), TextDelta("r2", "And then"))
        await wait_all_tasks_blocked()
        house.model.say(GONE)
        await trio.sleep(10)
    assert translator.asked == []


async def test_a_reply_that_has_been_heard_may_be_translated_while_the_person_speaks(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    give(house, Translator((4,)))
    async with house.client() as person:
        await start(person)
        await reply(house, "r1", sound=SECOND)
        await trio.sleep(3)
        house.model.say(SpeechStarted())
        await trio.sleep(3)
        assert person.types()[-2:] == ["user_activity", "translation"]


async def test_of_too_many_at_once_the_oldest_is_given_up(house: FakeHouse, autojump_clock: MockClock) -> None:
    translator = Translator((inf,) * (AT_ONCE + 2) + (0,))
    give(house, translator)
    async with house.client() as person:
        await start(person)
        for number in range(AT_ONCE + 2):
            await reply(house, f"r{number}")
            assert translator.at_work == min(number + 1, AT_ONCE)
        await reply(house, "last", "The last one.")
        assert [frame["text"] for frame in person.of("translation")] == ["<de> The last one."]
        assert translator.at_work == AT_ONCE - 1


async def test_a_session_ends_at_once_with_what_is_being_translated(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    translator = Translator((inf,))
    give(house, translator)
    async with house.client() as person:
        await start(person)
        await reply(house, "r1")
        assert translator.at_work == 1
        ended = trio.current_time()
        await person.send("end_session")
        await wait_all_tasks_blocked()
        assert person.codes() == ["CHARACTER_LEFT"]
        assert (trio.current_time(), translator.at_work) == (ended, 0)


async def test_a_swap_does_not_touch_it(house: FakeHouse, autojump_clock: MockClock) -> None:
    give(house, Translator((3,)))
    async with house.client() as person:
        await start(person)
        await reply(house, "r1")
        await person.send("swap_session", when="now", voice="calm")
        await trio.sleep(5)
        assert [kind for kind in person.types() if kind in {"neko.session_swapped", "translation"}] == [
            "neko.session_swapped",
            "translation",
        ]


async def test_a_typed_reply_is_translated_too(house: FakeHouse, autojump_clock: MockClock) -> None:
    give(house, Translator((1,)))
    async with house.client() as person:
        await start(person, kind="text")
        await reply(house, "r1")
        await trio.sleep(2)
        assert told(person) == ["text", "end", "translation"]


async def test_what_a_translation_needs_is_loaded_while_nobody_speaks(
    house: FakeHouse, autojump_clock: MockClock
) -> None:
    prepared: list[float] = []

    async def prepare() -> None:
        prepared.append(trio.current_time())
        await trio.sleep(5)

    give(house, Translator())
    mimi = house.managers["Mimi"]
    mimi._ports = evolve(mimi._ports, prepare_translation=prepare)
    async with house.client() as person:
        await start(person, "en-GB")
        await person.send("end_session")
        await wait_all_tasks_blocked()
        assert prepared == []
        await start(person, "de")
        assert person.types()[-1] == "session_started"  # which does not wait for it
        await person.send("end_session")
        await wait_all_tasks_blocked()
        assert prepared == [0]
        assert person.codes() == ["CHARACTER_LEFT"] * 2


async def test_translate_if_needed(house: FakeHouse, autojump_clock: MockClock) -> None:
    mimi = house.managers["Mimi"]
    mimi.language = "de"
    assert await mimi.translate_if_needed("Hello") is None  # nobody is there to do it
    give(house, Translator())
    assert await mimi.translate_if_needed("Hello") == "<de> Hello"
    mimi.language = "en-GB"
    assert await mimi.translate_if_needed("Hello") is None
    mimi.language = None
    assert await mimi.translate_if_needed("Hello") is None
