"""Sentences in the making: in order, held back by their listener, spoken by whoever can, and silent at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio
import trio.testing
from attrs import define, field

from neko.realtime.errors import only_error
from neko.testing.voices.script import say
from neko.tts.cast import FIRST_REST_S
from neko.tts.errors import VoiceError, VoiceFailed
from neko.tts.signals import Began, Ended, Failed, Ready
from neko.tts.speaking import AHEAD_HERE
from neko.tts.tone import ToneVoice
from neko.tts.voice import whole_samples
from tests.voice_stage import Speech, golden, open_lines


@define
class Fake:
    """Speaks each text as its own letters, `length` blocks of them; fails as told, once for each entry of `fails`."""

    length: int = 2
    rate: int = 24_000
    fails: list[VoiceError | None] = field(factory=list)
    after: int = 0  # blocks, then it fails
    said: list[str] = field(factory=list)
    made: int = 0

    def synthesize(self, text: str) -> Iterator[bytes]:
        self.said.append(text)
        failure = self.fails.pop(0) if self.fails else None
        for number in range(self.length):
            if failure is not None and number == self.after:
                raise failure
            self.made += 1
            yield f"{text}{number}".encode()


def passing() -> VoiceFailed:
    return VoiceFailed("the voice fake", "broke off")


def lasting() -> VoiceFailed:
    return VoiceFailed("the voice fake", "refused the API key", permanent=True)


async def test_one_voice_of_our_own_makes_one_sentence_at_a_time_and_no_further_ahead_than_a_block() -> None:
    voice = Fake(length=100)
    speech = Speech(voice, room=0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speech.run)
        await speech.texts.send("a")
        assert [await speech.heard.receive() for _ in range(3)] == [Ready(24_000), Began("a"), b"a0"]
        with trio.move_on_after(0.05):  # real time: it would go on in its thread
            await speech.texts.send("b")
            await speech.texts.send("c")
        assert voice.said == ["a"]
        # Beyond what was heard: one on its way, those in the channel, one in the hand of the thread, one being made.
        assert voice.made <= 1 + 1 + AHEAD_HERE + 2
        nursery.cancel_scope.cancel()


@pytest.mark.slow
async def test_a_listener_that_does_not_listen_holds_back_the_servers() -> None:
    vendor = golden("openai")
    async with vendor.serve(say(bytes(9600), forever=True)) as server, open_lines() as lines:
        speech = Speech(vendor.open(server, lines), room=0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(speech.run)
            await speech.texts.send("a")
            assert [await speech.heard.receive() for _ in range(2)] == [Ready(24_000), Began("a")]
            for text in "bcd":
                await speech.texts.send(text)
            with trio.move_on_after(0.5) as waited:  # real time: a fourth would have been asked for
                await speech.texts.send("e")
            assert waited.cancelled_caught
            before = [*server.said]
            await trio.sleep(0.5)
            assert server.said == before  # what the sockets take is full
            assert len(server.requests) == 3
            nursery.cancel_scope.cancel()
        await server.left()


@pytest.mark.parametrize("fails", [[passing()], [lasting()], [passing(), passing()], [VoiceError("no")]])
async def test_what_has_not_sounded_is_not_lost(fails: list[VoiceError | None]) -> None:
    voice, other = Fake(fails=list(fails)), Fake()
    heard = await Speech(voice, other).say("a", "b")
    assert b"".join(each for each in heard if isinstance(each, bytes)) == b"a0a1b0b1"
    assert [each for each in heard if isinstance(each, Began)] == [Began("a"), Began("b")]
    assert heard[-1] == Ended()


async def test_a_failure_that_passes_is_not_worth_a_word() -> None:
    (_, failed, *_) = await Speech(Fake(fails=[passing()]), Fake()).say("a")
    assert failed == Failed("voice0", "a", "the voice fake broke off", "voice0", news=False)


async def test_a_failure_in_the_middle_loses_that_sentence_only_and_is_told_once_for_each_outage() -> None:
    voice, other = Fake(fails=[passing(), None, passing(), passing(), None], after=1), Fake()
    speech = Speech(voice, other)
    heard = await speech.say("a", "b") + await speech.say("c", "d", "e")
    failures = [(each.text, each.instead, each.news) for each in heard if isinstance(each, Failed)]
    # Between "a" and "c" it worked; "d" is the same outage as "c"; after two in a row another voice speaks.
    assert failures == [("a", None, True), ("c", None, True), ("d", None, False)]
    assert other.said == ["e"]


async def test_a_voice_that_fails_every_other_time_is_news_once_in_an_utterance() -> None:
    speech = Speech(Fake(fails=[passing(), None, passing(), None], after=1))
    heard = await speech.say("a", "b", "c", "d")
    assert [(each.text, each.news) for each in heard if isinstance(each, Failed)] == [("a", True), ("c", False)]


async def test_a_voice_that_is_out_of_order_rests_and_is_tried_again(autojump_clock: trio.testing.MockClock) -> None:
    voice, other = Fake(fails=[lasting(), lasting()]), Fake()
    speech = Speech(voice, other)
    told = [each for each in await speech.say("a", "b") if isinstance(each, Failed)]
    assert [(each.text, each.instead, each.news) for each in told] == [("a", "voice1", True)]
    assert str(told[0]) == "the voice fake refused the API key; the voice voice1 speaks instead, until it is back"
    assert (voice.said, other.said) == (["a"], ["a", "b"])
    await trio.sleep(FIRST_REST_S)
    told = [each for each in await speech.say("c") if isinstance(each, Failed)]
    assert [each.news for each in told] == [False]  # still the same outage, and it rests for longer
    await trio.sleep(FIRST_REST_S)
    await speech.say("d")
    await trio.sleep(FIRST_REST_S)
    assert not any(isinstance(each, Failed) for each in await speech.say("e"))
    assert (voice.said, other.said) == (["a", "c", "e"], ["a", "b", "c", "d"])
    voice.fails = [lasting()]
    assert [each.news for each in await speech.say("f") if isinstance(each, Failed)] == [True]


async def test_without_anybody_else_a_voice_is_asked_for_each_sentence() -> None:
    voice = Fake(fails=[lasting(), lasting(), None])
    heard = await Speech(voice).say("a", "b", "c")
    failures = [(each.text, each.instead, each.news) for each in heard if isinstance(each, Failed)]
    assert failures == [("a", None, True), ("b", None, False)]
    assert heard[-2:] == [b"c0c1", Ended()]


async def test_a_stand_in_is_brought_to_the_rate_of_the_voice_that_it_stands_in_for() -> None:
    tone = ToneVoice()
    heard = await Speech(Fake(rate=48_000, fails=[lasting()]), tone).say("one two three")
    (sound,) = (each for each in heard if isinstance(each, bytes))
    assert heard[0] == Ready(48_000)
    assert len(sound) == 2 * len(b"".join(tone.synthesize("one two three")))


async def test_a_bug_in_a_voice_is_an_outage_and_ends_nothing() -> None:
    class Buggy:
        rate = 24_000

        def synthesize(self, text: str) -> Iterator[bytes]:
            raise KeyError(text)

    heard = await Speech(Buggy(), Fake()).say("a")
    assert heard[-2:] == [b"a0a1", Ended()]


async def test_a_listener_that_left_ends_the_speech() -> None:
    speech = Speech(Fake())
    speech.heard.close()
    with pytest.raises(ExceptionGroup) as caught:
        await speech.run()
    assert isinstance(only_error(caught.value), trio.BrokenResourceError)
    assert speech.limiter.borrowed_tokens == 0


async def test_a_text_without_sound_is_no_failure() -> None:
    assert await Speech(ToneVoice()).say("…", "Hi.") == [
        Ready(24_000),
        Began("Hi."),
        b"".join(ToneVoice().synthesize("Hi.")),
        Ended(),
    ]


def test_half_samples_are_joined_and_the_last_half_is_dropped() -> None:
    pieces = [b"\1", b"\2\3", b"", b"\4\5\6\7", b"\x08\x09"]
    assert b"".join(whole_samples(pieces, 20)) == bytes(range(1, 9))
    assert [len(block) for block in whole_samples([bytes(11)], 20)] == [4, 4, 2]
