"""What vendors wrap sound in, cut anywhere."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from neko.config.errors import ConfigError
from neko.config.model import VoiceSettings
from neko.tts.errors import SettingMissing, VoiceFailed, refused
from neko.tts.events import events
from neko.tts.setup import Setup
from neko.tts.wav import unwrapped
from neko.tts.worker import get_tts_worker

PCM = bytes(range(40))


def cut(whole: bytes, sizes: list[int]) -> Iterator[bytes]:
    for size in sizes:
        yield whole[:size]
        whole = whole[size:]
    yield whole


def wav(subtype: str = "PCM_16", channels: int = 1) -> bytes:
    file = io.BytesIO()
    samples = np.frombuffer(PCM, dtype="<i2").reshape(-1, channels)
    soundfile.write(file, samples, 32_000, format="WAV", subtype=subtype)
    return file.getvalue()


@given(st.lists(st.integers(1, 30), max_size=8))
def test_a_wav_may_come_in_any_pieces(sizes: list[int]) -> None:
    rate, pcm = unwrapped("the voice x", cut(wav(), sizes))
    assert (rate, b"".join(pcm)) == (32_000, PCM)


@pytest.mark.parametrize("answer", [b"<html>" * 10, b"{}", wav()[:30], b"RIFF" + bytes(100_000)])
def test_what_is_no_wav_is_said(answer: bytes) -> None:
    with pytest.raises(VoiceFailed, match="the voice x sent something that is no WAV"):
        unwrapped("the voice x", iter([answer]))


def test_no_answer_is_no_sound() -> None:
    rate, pcm = unwrapped("the voice x", iter([]))
    assert (rate, list(pcm)) == (0, [])


@pytest.mark.parametrize(("subtype", "channels"), [("PCM_24", 1), ("FLOAT", 1), ("PCM_16", 2)])
def test_another_format_is_said_and_not_tried_again(subtype: str, channels: int) -> None:
    with pytest.raises(VoiceFailed, match="WAV that is not PCM16 mono") as caught:
        unwrapped("the voice x", iter([wav(subtype, channels)]))
    assert caught.value.permanent


@given(st.lists(st.integers(1, 20), max_size=8))
def test_events_may_come_in_any_pieces(sizes: list[int]) -> None:
    stream = ': comment\r\nevent: sound\ndata: {"a": "好"}\r\n\r\ndata:{"b": 2}\n\ndata: [DONE]\n\n'.encode()
    assert list(events("the voice x", cut(stream, sizes))) == [{"a": "好"}, {"b": 2}]


def test_a_plain_object_is_an_event_and_anything_else_is_said() -> None:
    assert list(events("the voice x", iter([b'{"base_resp": {}}']))) == [{"base_resp": {}}]
    with pytest.raises(VoiceFailed, match=r"no JSON object: '\[1\]'"):
        list(events("the voice x", iter([b"data: [1]\n"])))
    with pytest.raises(VoiceFailed, match="more than"):
        list(events("the voice x", iter([bytes(17 * 1024 * 1024)])))


@pytest.mark.parametrize(
    ("status", "permanent"),
    [(400, True), (401, True), (403, True), (404, True), (429, False), (500, False), (503, False)],
)
def test_what_may_pass_is_tried_again(status: int, permanent: bool) -> None:
    assert refused("the voice x", status, "").permanent is permanent


def test_what_a_server_said_is_on_one_line_and_short() -> None:
    assert str(refused("the voice x", 418, "I am\na teapot")) == "the voice x answered HTTP 418 (I am a teapot)"
    assert len(str(refused("the voice x", 500, "x" * 10_000))) < 300


@pytest.mark.parametrize(
    ("core_api_type", "has_custom_voice", "engine"),
    [
        ("qwen", False, "qwen"),
        ("qwen", True, "cosyvoice"),
        ("step", True, "step"),
        ("glm", False, "glm"),
        ("gemini", False, "gemini"),
        ("openai", False, "openai"),
        ("minimax", True, "minimax"),
        ("local", False, "embedded"),
        ("chat", False, "embedded"),
    ],
)
def test_a_kind_of_provider_has_a_worker(core_api_type: str, has_custom_voice: bool, engine: str) -> None:
    assert get_tts_worker(core_api_type, has_custom_voice).name == engine


def test_a_voice_that_needs_a_key_says_so_unless_its_server_is_ones_own() -> None:
    with pytest.raises(SettingMissing, match="a voice of kind openai needs api_key_env"):
        get_tts_worker("openai").open_voice("default")
    own = Setup(VoiceSettings(kind="openai", url="http://127.0.0.1:8000/v1"))
    assert get_tts_worker("openai").open_voice("default", own).rate == 24_000
    faster = Setup(VoiceSettings(kind="openai", url="http://127.0.0.1:8000/v1", options={"sample_rate": 44_100}))
    assert get_tts_worker("openai").open_voice("default", faster).rate == 44_100
    with pytest.raises(SettingMissing, match="a voice of kind gpt-sovits needs voice: the path of a reference"):
        get_tts_worker("gpt-sovits").open_voice("default", own)


def test_a_key_that_is_not_set_is_an_error() -> None:
    with pytest.raises(ConfigError, match="KEY is not set; it must hold the voice's API key"):
        VoiceSettings(kind="openai", api_key_env="KEY").api_key({})
