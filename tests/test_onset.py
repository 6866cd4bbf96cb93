"""Where nobody tells when a person speaks, what they have begun to say is not answered with the words before."""

from __future__ import annotations

import numpy as np
import pytest
from trio.testing import MockClock

from neko.audio.given import Given
from neko.audio.ledger import Heard, Ledger
from neko.audio.loudness import WINDOW_MS
from neko.audio.onset import ANSWERED_WITHIN_MS, PAUSE_MS, Onset
from neko.audio.pcm import bytes_for, pieces
from neko.nurseries.hearing import Hearing
from neko.testing.tagged import tag
from tests.fuzz.world import open_world

HZ = 16_000
PAUSE = bytes(bytes_for(120, HZ))  # as long as the shortest that ends an utterance, and what a window blurs


def speech(ms: int) -> bytes:
    return tag(0, ms // 10, HZ, voiced=True)


def going_on_ms(*sounds: bytes) -> float:
    onset = Onset(HZ)
    for sound in sounds:
        onset.push(sound)
    return onset.going_on / bytes_for(1, HZ)


@pytest.mark.parametrize(
    ("sounds", "ms"),
    [
        ([], 0),
        ([PAUSE], 0),
        ([speech(400), PAUSE], 0),  # said, and over
        ([speech(400), PAUSE, speech(80)], PAUSE_MS + 80),  # with the pause before it, for a soft beginning
        ([speech(400) + PAUSE + speech(80)], PAUSE_MS + 80),
        ([speech(400), PAUSE, speech(80), bytes(bytes_for(40, HZ)), speech(80)], PAUSE_MS + 200),
        ([PAUSE, speech(ANSWERED_WITHIN_MS - PAUSE_MS)], ANSWERED_WITHIN_MS),
        ([PAUSE, speech(ANSWERED_WITHIN_MS)], 0),  # it is the room that is loud
    ],
)
def test_what_goes_on_began_after_the_last_pause(sounds: list[bytes], ms: int) -> None:
    assert going_on_ms(*sounds) == ms


def test_an_answer_leaves_what_was_begun_meanwhile_to_whoever_comes_next() -> None:
    ledger = Ledger()
    given = Given(HZ, ledger, tells_speech=False)
    for sound in (speech(400), PAUSE, speech(80)):
        given.add(sound)
    given.answered()  # its words
    given.answered()  # its reply
    assert given.wanted
    assert given.pcm == PAUSE[: bytes_for(PAUSE_MS, HZ)] + speech(80)
    assert ledger.heard_ms[Heard.UTTERANCE] == 400 + 120 - PAUSE_MS


def test_so_does_one_that_another_session_was_handed() -> None:
    given = Given(HZ, tells_speech=False)
    given.carry(speech(400) + PAUSE + speech(80), wanted=True)
    given.answered()
    assert given.pcm == PAUSE[: bytes_for(PAUSE_MS, HZ)] + speech(80)


@pytest.mark.parametrize("hz", [16_000, 22_050, 44_100, 48_000])
def test_a_hum_below_speech_is_no_speech_at_any_rate_of_a_microphone(hz: int) -> None:
    """Of 40 ms the resampler makes a few samples more or less, and those alone may be a crest of the hum."""
    seconds = np.arange(4 * hz) / hz
    hum = (np.sqrt(2) * 250 * np.sin(2 * np.pi * 60 * seconds)).astype("<i2").tobytes()
    hearing = Hearing(HZ, Ledger(), tells_speech=False, noise_suppression=0)
    for block in pieces(hum, 40, hz):
        hearing.take_in(block, hz)
        assert not hearing.given.wanted


def test_a_loud_beginning_of_a_long_piece_is_speech() -> None:
    given = Given(HZ, tells_speech=False)
    given.add(speech(WINDOW_MS) + 2 * PAUSE)
    assert given.wanted


async def test_a_word_begun_before_the_answer_is_not_lost_with_its_session(mock_clock: MockClock) -> None:
    """Google answers the first word while the second one has begun, and then another session takes over."""
    async with open_world(HZ, "gemini") as world:
        for step in (
            world.start(),
            world.speak(1),
            world.fall_silent(),
            world.speak(1),
            world.wait(0.06),
            world.swap("now", prompt="A pirate."),
        ):
            await step
            await world.settle(None)
        mock_clock.autojump_threshold = 0
        await world.finish()
