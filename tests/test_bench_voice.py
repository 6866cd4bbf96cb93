"""The voice benchmark's own arithmetic: where speech ends, what a word error is, what late means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import trio
from attrs import evolve

from neko.bench.bars import Figures, bars
from neko.bench.conversation import MeasuredTurn, converse
from neko.bench.errors import NothingMeasured
from neko.bench.resampling import measure_resampling
from neko.bench.speech import Question, read_questions, speech_end
from neko.bench.words import word_error_rate
from neko.client import BadRecording, Recording, connect
from neko.protocol.client import Microphone, Playback
from neko.protocol.server import AudioChunk, ReplyText, TurnEnd, UserTranscript
from neko.telemetry.loop import sample_loop_delay
from tests.character_server import Peer, character_server

if TYPE_CHECKING:
    from pathlib import Path

RATE = 16_000


def tone(seconds: float, amplitude: float) -> bytes:
    wave = amplitude * np.sin(2 * np.pi * 220 * np.arange(int(seconds * RATE)) / RATE)
    return wave.astype("<i2").tobytes()


def test_speech_ends_with_its_last_voiced_block() -> None:
    recording = Recording(tone(0.3, 0) + tone(0.5, 10_000) + tone(0.1, 2_000) + tone(0.4, 50), RATE)
    assert speech_end(recording) == pytest.approx(0.9)


def test_silence_has_no_end_of_speech() -> None:
    with pytest.raises(BadRecording):
        speech_end(Recording(bytes(RATE), RATE))


def test_questions_come_from_the_lines_of_a_text(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.frombuffer(tone(0.2, 10_000), dtype="<i2"), RATE)
    (tmp_path / "README.md").write_text("# Questions\n\n- `a.wav`: Hello, you?\n- not one\n")
    (question,) = read_questions(tmp_path)
    assert (question.name, question.text, question.recording.duration_s) == ("a.wav", "Hello, you?", 0.2)


def test_a_folder_without_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match="has a line such as"):
        read_questions(tmp_path)


def test_words_count_and_their_spelling_does_not() -> None:
    assert word_error_rate(["Hello, what is your name?"], ["hello  what is your name"]) == 0
    assert word_error_rate(["One two", "three four."], ["one too", ""]) == 0.75


def test_the_resampler_doubles_and_stays_clean() -> None:
    got = measure_resampling()
    assert got.samples_out == 2 * got.samples_in
    assert got.worst_snr_db > 80


async def test_a_late_loop_is_seen_in_every_sample_it_delays(autojump_clock: trio.testing.MockClock) -> None:
    delays: list[float] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: sample_loop_delay(0.01, into=delays))
        await trio.sleep(0.025)
        autojump_clock.jump(0.03)  # what a task does that does not yield
        await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert delays == pytest.approx([0, 0, 0.025, 0.015, 0.005, 0], abs=1e-6)


def question() -> Question:
    recording = Recording(tone(0.1, 10_000) + bytes(3_200), RATE)
    return Question("q.wav", "Hello?", recording, 0.1)


@pytest.mark.slow
async def test_a_conversation_is_timed_from_the_end_of_speech() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept_start()
        for number in range(2):
            while not any((await sound(peer)).pcm):
                pass
            while any((await sound(peer)).pcm):
                pass
            turn = f"t{number}"
            chunk = AudioChunk("s", turn, bytes(9_600))
            await peer.say(UserTranscript("hello"), ReplyText("Hi.", True, turn), chunk, TurnEnd(turn, False))
        while True:
            await peer.receive()

    seen: list[MeasuredTurn] = []
    async with character_server(script) as server, connect(server.url, "Yui") as client:
        got = await converse(client, [question(), question()], seen.append)
    assert list(got.turns) == seen
    assert [(turn.heard, turn.answer) for turn in seen] == [("hello", "Hi."), ("hello", "Hi.")]
    # The first silent frame is complete 20 ms after the end of the speech.
    assert all(0.02 <= turn.first_word_s <= turn.voice_to_voice_s < 0.2 for turn in seen)
    assert got.loop_delays_s
    reports = [message for message in server.peers[0].got if isinstance(message, Playback)]
    assert reports == [Playback("s", 100.0)] * 2


async def sound(peer: Peer) -> Microphone:
    while not isinstance(message := await peer.receive(), Microphone):
        pass
    return message


async def test_a_turn_without_speech_is_nothing_to_measure() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept_start()
        await peer.say(ReplyText("Hi.", True, "t"), TurnEnd("t", False))

    error = None
    async with character_server(script) as server, connect(server.url, "Yui") as client:
        try:
            await converse(client, [question()], lambda _turn: None)
        except* NothingMeasured as group:
            error = group
    assert error is not None


REACHED = Figures(10, 1.3, 3.0, 0.0, 9.0, 0.2, 0.1, 4.0, 20.0, 10, 20, 86.0, 200)


@pytest.mark.parametrize(
    ("missed", "figures"),
    [
        ([], REACHED),
        (["voice to voice, worst"], evolve(REACHED, voice_to_voice_worst_s=3.6)),
        (["word error rate"], evolve(REACHED, word_error_rate=0.101)),
        (["resampled 24 to 48 kHz, samples"], evolve(REACHED, resampled_out=19)),
        (["resampled 24 to 48 kHz, worst signal to noise"], evolve(REACHED, resampling_worst_snr_db=79.0)),
    ],
)
def test_bars_that_are_missed(missed: list[str], figures: Figures) -> None:
    assert [bar.name for bar in bars(figures) if not bar.reached] == missed
