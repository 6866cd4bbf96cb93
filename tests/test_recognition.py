"""What is heard: words of clean speech, nothing in silence and noise, in bounded time."""

from __future__ import annotations

import re
import sys
import wave
from pathlib import Path

import jiwer
import numpy as np
import pytest
import trio
import trio.testing

from neko.local.engines import HEARING_HZ
from neko.local.errors import ModelMissing
from neko.local.mel import log_mel
from neko.local.models import WHISPER_TINY_EN
from neko.local.recognition import LONGEST_PIECE, WhisperRecogniser, cut_in_pauses, repeats
from neko.local.weights import weights_of

SPEECH = Path(__file__).parent / "speech"
SPOKEN = dict(re.findall(r"^- `(.*)`: (.*)$", (SPEECH / "README.md").read_text(), re.MULTILINE))
MOST_ERRORS = 0.1


def pcm_of(name: str) -> bytes:
    with wave.open(str(SPEECH / name)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (HEARING_HZ, 1, 2)
        frames: bytes = file.readframes(file.getnframes())
        return frames


def pcm(samples: np.ndarray) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


def plain(text: str) -> str:
    return re.sub(r"[^\w ]", "", text.lower())


@pytest.fixture(scope="module")
def recogniser() -> WhisperRecogniser:
    loaded = WhisperRecogniser.load(weights_of(WHISPER_TINY_EN).parent)
    loaded.warm()
    return loaded


@pytest.mark.slow
async def test_clean_speech_is_understood(recogniser: WhisperRecogniser) -> None:
    heard = [await recogniser.transcribe(pcm_of(name), "en") for name in SPOKEN]
    assert len(heard) == 5
    errors = jiwer.wer([plain(text) for text in SPOKEN.values()], [plain(text) for text in heard])
    assert errors <= MOST_ERRORS, heard


@pytest.mark.slow
async def test_a_quiet_voice_is_understood(recogniser: WhisperRecogniser) -> None:
    quiet = np.frombuffer(pcm_of("hib2.wav"), dtype="<i2") / 32768 * 0.03
    assert plain(await recogniser.transcribe(pcm(quiet), "en")) == plain(SPOKEN["hib2.wav"])


@pytest.mark.slow
async def test_an_english_model_hears_english_whatever_is_asked_for(recogniser: WhisperRecogniser) -> None:
    assert recogniser.english_only
    assert plain(await recogniser.transcribe(pcm_of("hib4.wav"), "zh-CN")) == plain(SPOKEN["hib4.wav"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0),
        np.zeros(2 * HEARING_HZ),
        np.random.default_rng(0).normal(0, 0.001, 2 * HEARING_HZ),
        np.random.default_rng(0).normal(0, 0.1, 2 * HEARING_HZ),
        0.1 * np.sin(np.arange(2 * HEARING_HZ) * 2 * np.pi * 50 / HEARING_HZ),
        0.1 * np.sin(np.arange(2 * HEARING_HZ) * 2 * np.pi * 440 / HEARING_HZ),
        np.where(np.arange(2 * HEARING_HZ) % 8000 < 20, 0.5, 0.0),
    ],
    ids=["nothing", "silence", "soft noise", "loud noise", "hum", "tone", "clicks"],
)
async def test_what_is_no_speech_has_no_words(recogniser: WhisperRecogniser, samples: np.ndarray) -> None:
    assert await recogniser.transcribe(pcm(samples), "en") == ""


@pytest.mark.slow
async def test_speech_longer_than_the_window_is_heard_to_the_end(recogniser: WhisperRecogniser) -> None:
    pause = bytes(2 * HEARING_HZ)
    whole = pause.join(pcm_of(name) for name in (*SPOKEN, *SPOKEN, *SPOKEN))
    assert len(whole) / 2 > LONGEST_PIECE
    heard = await recogniser.transcribe(whole, "en")
    assert jiwer.wer(plain(" ".join([*SPOKEN.values()] * 3)), plain(heard)) <= MOST_ERRORS, heard


@pytest.mark.slow
async def test_two_utterances_wait_for_each_other(recogniser: WhisperRecogniser) -> None:
    heard: dict[str, str] = {}

    async def hear(name: str) -> None:
        heard[name] = plain(await recogniser.transcribe(pcm_of(name), "en"))

    async with trio.open_nursery() as nursery:
        for name in SPOKEN:
            nursery.start_soon(hear, name)
    assert heard["hib0.wav"] == plain(SPOKEN["hib0.wav"])
    assert heard["hib4.wav"] == plain(SPOKEN["hib4.wav"])


@pytest.mark.slow
async def test_a_cancel_waits_for_the_engine_and_leaves_it_usable(recogniser: WhisperRecogniser) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recogniser.transcribe, pcm_of("hib2.wav"), "en")
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert plain(await recogniser.transcribe(pcm_of("hib3.wav"), "en")) == plain(SPOKEN["hib3.wav"])


def test_a_missing_engine_says_how_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(ModelMissing, match=r"pip install 'neko\[local\]'"):
        WhisperRecogniser.load(tmp_path)


def test_a_loop_is_told_from_speech() -> None:
    assert repeats([1, 2, 3, 3, 3, 3])
    assert repeats([1, 2, 3, 2, 3, 2, 3, 2, 3])
    assert not repeats([1, 3, 3, 3])
    assert not repeats([3, 3, 3, 3, 1])
    assert not repeats([])


def test_long_speech_is_cut_in_a_pause_and_nothing_is_lost() -> None:
    samples = np.full(LONGEST_PIECE * 2, 0.5, dtype=np.float32)
    pause = LONGEST_PIECE - 3 * HEARING_HZ
    samples[pause : pause + HEARING_HZ // 2] = 0.0
    pieces = list(cut_in_pauses(samples))
    assert pause < pieces[0].size < pause + HEARING_HZ // 2
    assert all(piece.size <= LONGEST_PIECE for piece in pieces)
    assert np.array_equal(np.concatenate(pieces), samples)


def test_a_pure_tone_lights_its_mel_band() -> None:
    at = np.arange(HEARING_HZ, dtype=np.float32) / HEARING_HZ
    mel = log_mel(np.sin(2 * np.pi * 1000 * at), 100)
    assert mel.shape == (80, 100)
    assert mel.dtype == np.dtype(np.float32)
    # 1 kHz is 15 of 45.245 mel on Slaney's scale: the band whose middle is nearest.
    assert mel[:, 50].argmax() == round(15 / 45.245 * 81) - 1
    assert mel.max() - mel.min() == pytest.approx(2.0)  # 80 dB, scaled by four


def test_what_lies_behind_the_sound_is_silence() -> None:
    mel = log_mel(np.ones(HEARING_HZ, dtype=np.float32), 200)
    assert mel[:, 110:].max() == pytest.approx(mel.min())
