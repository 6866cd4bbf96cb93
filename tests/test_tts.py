"""A voice speaks from its thread: in order, no further ahead than its listener, and silent at once when cancelled."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest
import trio
import trio.testing
from attrs import define, field

from neko.tts import hibari, worker
from neko.tts.errors import UnknownVoice, UnknownWorker, VoiceMissing
from neko.tts.speakable import speakable
from neko.tts.thread import speak, speaker
from neko.tts.tone import ToneVoice
from neko.tts.voice import Voice, warm
from neko.tts.worker import TtsWorker, get_tts_worker


@define
class CountingVoice:
    """Speaks numbered blocks and remembers how many it was asked for."""

    length: int
    rate: int = 24_000
    made: list[bytes] = field(factory=list)

    def synthesize(self, text: str) -> Iterator[bytes]:
        for number in range(self.length):
            block = f"{text}{number}".encode()
            self.made.append(block)
            yield block


class Speech:
    """A voice at work, and both ends of it."""

    def __init__(self, voice: Voice, limiter: trio.CapacityLimiter | None = None) -> None:
        self.voice = voice
        self.limiter = limiter or trio.CapacityLimiter(1)
        self.texts, self.requests = trio.open_memory_channel[str](4)
        self.responses, self.sound = trio.open_memory_channel[bytes](1)

    async def run(self) -> None:
        await speak(self.voice, self.requests, self.responses, limiter=self.limiter)


async def test_texts_become_sound_in_order_and_both_channels_close() -> None:
    speech = Speech(CountingVoice(2))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speech.run)
        async with speech.texts:
            await speech.texts.send("a")
            await speech.texts.send("b")
        heard = [block async for block in speech.sound]
    assert heard == [b"a0", b"a1", b"b0", b"b1"]
    with pytest.raises(trio.ClosedResourceError):
        speech.requests.receive_nowait()


async def test_a_full_channel_halts_the_voice() -> None:
    voice = CountingVoice(1000)
    speech = Speech(voice)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speech.run)
        await speech.texts.send("a")
        heard = [await speech.sound.receive() for _ in range(3)]
        assert heard == [b"a0", b"a1", b"a2"]
        # Beyond what was heard: one block in the channel, one in the hand of the thread, one that it may be making.
        assert len(voice.made) <= 6
        nursery.cancel_scope.cancel()


async def test_a_cancel_ends_the_thread_that_waits_for_text() -> None:
    speech = Speech(CountingVoice(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speech.run)
        await speech.texts.send("a")
        await speech.sound.receive()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert_has_ended(speech)


async def test_a_cancel_ends_the_thread_that_waits_for_its_listener() -> None:
    speech = Speech(CountingVoice(10))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speech.run)
        await speech.texts.send("a")
        await speech.sound.receive()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert_has_ended(speech)


async def test_a_cancel_ends_the_thread_in_the_middle_of_a_text() -> None:
    voice = CountingVoice(10**9)
    speech = Speech(voice)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speech.run)
        await speech.texts.send("a")
        async for _ in speech.sound:
            if len(voice.made) > 10:
                nursery.cancel_scope.cancel()
                made_before = len(voice.made)
    assert_has_ended(speech)
    assert len(voice.made) <= made_before + 2


def assert_has_ended(speech: Speech) -> None:
    assert speech.limiter.borrowed_tokens == 0  # given back by the thread, not by its owner's impatience
    with pytest.raises(trio.BrokenResourceError):
        speech.texts.send_nowait("more")


async def test_a_voice_that_fails_fails_its_speech() -> None:
    class Broken:
        rate = 24_000

        def synthesize(self, text: str) -> Iterator[bytes]:
            raise VoiceMissing(text)

    speech = Speech(Broken())
    await speech.texts.send("a-voice")
    with pytest.raises(VoiceMissing, match="a-voice"):
        await speech.run()
    with pytest.raises(trio.EndOfChannel):
        await speech.sound.receive()


async def test_a_listener_that_left_ends_the_speech() -> None:
    speech = Speech(CountingVoice(3))
    await speech.texts.send("a")
    speech.sound.close()
    with pytest.raises(trio.BrokenResourceError):
        await speech.run()
    assert speech.limiter.borrowed_tokens == 0


async def test_speeches_beyond_the_limit_wait_their_turn() -> None:
    limiter = trio.CapacityLimiter(1)
    first, second = Speech(CountingVoice(1), limiter), Speech(CountingVoice(1), limiter)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(first.run)
        await first.texts.send("first")
        assert await first.sound.receive() == b"first0"
        nursery.start_soon(second.run)
        await second.texts.send("second")
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.WouldBlock):
            second.sound.receive_nowait()
        first.texts.close()
        assert await second.sound.receive() == b"second0"
        second.texts.close()


async def test_a_speaker_speaks_with_the_voice_that_was_asked_for() -> None:
    with_voice = speaker(get_tts_worker("tone"), trio.CapacityLimiter(1))
    assert await _say(with_voice("default"), "one two") == list(ToneVoice().synthesize("one two"))
    assert await _say(with_voice("other"), "one two") == list(ToneVoice("other").synthesize("one two"))


async def _say(say: object, text: str) -> list[bytes]:
    assert callable(say)
    texts, requests = trio.open_memory_channel[str](1)
    responses, sound = trio.open_memory_channel[bytes](10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(say, requests, responses)
        async with texts:
            await texts.send(text)
        spoken = [block async for block in sound]
    return spoken


def test_an_unknown_voice_names_the_accepted_ones() -> None:
    with pytest.raises(UnknownVoice, match="accepted are default, calm, lively"):
        get_tts_worker("embedded").open_voice("alloy")


def test_an_unknown_engine_names_the_accepted_ones() -> None:
    with pytest.raises(UnknownWorker, match="'robot': accepted are embedded, tone"):
        get_tts_worker("robot")


def test_an_engine_can_be_plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    plugged_in = EntryPoints([EntryPoint("blip", "neko.tts.tone:open_voice", "neko.tts")])
    monkeypatch.setattr(worker, "entry_points", plugged_in.select)
    assert get_tts_worker("blip").open_voice("default") == ToneVoice()
    with pytest.raises(UnknownWorker, match=f"{', '.join(worker.BUILT_IN)}, blip"):
        get_tts_worker("robot")


def test_a_missing_package_says_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hibari", None)
    monkeypatch.setattr(hibari, "load", hibari.load.__wrapped__)
    with pytest.raises(VoiceMissing, match=r"pip install 'neko\[local\]'"):
        warm(hibari.open_voice("default"))


def test_the_tone_voice_is_deterministic_audible_and_has_a_block_for_each_word() -> None:
    blocks = list(ToneVoice().synthesize("Hello, *my* friend! 😀"))
    assert blocks == list(ToneVoice().synthesize("Hello, *my* friend! 😀"))
    assert [len(block) for block in blocks] == [4800, 4800, 4800]
    samples = np.frombuffer(b"".join(blocks), dtype="<i2")
    assert 5000 < np.abs(samples).max() < 7000
    assert list(ToneVoice().synthesize("… 😀 **")) == []


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("*waves* Hi 😀!", "waves Hi!"),
        ("**Bold**, `code` and _this_", "Bold, code and this"),
        ("# Title\n> quoted\n- item", "Title\nquoted\nitem"),
        ("[the page](https://example.org/x) or https://example.org", "the page or"),
        ("5 > 3, minus -5", "5 > 3, minus -5"),
        ("👩‍🚀 我是由衣", "我是由衣"),
        ("… ☀️ *** 🙂", ""),
        ("", ""),
    ],
)
def test_only_what_can_be_spoken_is_spoken(written: str, spoken: str) -> None:
    assert speakable(written) == spoken


@pytest.mark.slow
def test_the_embedded_voice_speaks_in_short_blocks() -> None:
    voice = get_tts_worker("embedded").open_voice("default")
    blocks = list(voice.synthesize("My name is Yui. I was just watching the waves."))
    seconds = sum(map(len, blocks)) / 2 / voice.rate
    assert 1.5 < seconds < 5
    assert max(map(len, blocks)) == voice.rate // 10 * 2
    assert np.abs(np.frombuffer(b"".join(blocks), dtype="<i2")).max() > 3000


@pytest.mark.slow
@pytest.mark.parametrize("text", ["Hello!", "I was just watching the waves.", "Shh."])
def test_nobody_waits_for_the_first_sound(text: str) -> None:
    voice = hibari.open_voice("default")
    samples = np.abs(np.frombuffer(b"".join(voice.synthesize(text)), dtype="<i2").astype(int))
    audible = np.flatnonzero(samples > 300) / voice.rate
    assert audible[0] < 0.15
    assert samples.size / voice.rate - audible[-1] < 0.4


@pytest.mark.slow
def test_voices_differ_in_pace() -> None:
    def spoken(voice_id: str) -> int:
        return sum(map(len, hibari.open_voice(voice_id).synthesize("I was just watching the waves.")))

    assert spoken("lively") < spoken("default") < spoken("calm")


@pytest.mark.slow
def test_nothing_speakable_is_no_sound() -> None:
    assert list(hibari.open_voice("default").synthesize("… 😀")) == []
    assert list(hibari.open_voice("default").synthesize("你好")) == []


def test_workers_are_values() -> None:
    assert get_tts_worker("tone") == TtsWorker("tone", worker.BUILT_IN["tone"])
