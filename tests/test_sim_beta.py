"""Qwen, GLM and Step as the simulator speaks them: what a client of each got."""

from __future__ import annotations

import wave
from io import BytesIO
from typing import Any

import pytest
import trio

from neko.testing import DIALECTS, Behaviour, ToolCall, open_provider, open_provider_in_memory, with_real_limits
from tests.sim_client import SimClient, tags_in, talking_to, utterance

QUICK = Behaviour(response_ms=80, silence_ms=50, transcripts=("Ni hao.",))
CALLING = Behaviour(replies=(ToolCall("weather"), "It is sunny."), response_ms=40)
SPOKEN_TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.created",
    "conversation.item.input_audio_transcription.completed",
    "response.created",
    "response.output_item.added",
    "conversation.item.created",
    "response.content_part.added",
    "response.audio_transcript.delta",
    "response.audio.delta",
    "response.audio_transcript.delta",
    "response.audio.delta",
    "response.audio.done",
    "response.audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
]
GLM_TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.created",
    "conversation.item.input_audio_transcription.completed",
    "response.created",
    "conversation.item.created",
    "response.audio_transcript.delta",
    "response.audio.delta",
    "response.audio_transcript.delta",
    "response.audio.delta",
    "response.done",
]
SERVER_VAD = {"turn_detection": {"type": "server_vad"}}
ASR = {"input_audio_transcription": {"model": "whisper-1"}}
AUDIO_CHAT = {"beta_fields": {"chat_mode": "audio"}}


def wav(pcm: bytes, rate: int) -> bytes:
    with BytesIO() as file:
        with wave.open(file, "wb") as sound:
            sound.setparams((1, 2, rate, 0, "NONE", ""))
            sound.writeframes(pcm)
        return file.getvalue()


async def configure(client: SimClient, **session: Any) -> dict[str, Any]:
    await client.send({"type": "session.update", "session": session})
    updated: dict[str, Any] = (await client.until("session.updated"))["session"]
    return updated


async def refused(client: SimClient, **session: Any) -> dict[str, Any]:
    await client.send({"type": "session.update", "session": session})
    error: dict[str, Any] = (await client.until("error"))["error"]
    return error


@pytest.mark.parametrize(
    ("kind", "session", "hears_hz", "turn"),
    [
        ("qwen", {}, 16_000, SPOKEN_TURN),
        ("step", SERVER_VAD | ASR, 24_000, SPOKEN_TURN),
        ("glm", SERVER_VAD | AUDIO_CHAT | {"input_audio_format": "pcm"}, 16_000, GLM_TURN),
    ],
)
async def test_a_spoken_turn(kind: str, session: dict[str, Any], hears_hz: int, turn: list[str]) -> None:
    async with open_provider(QUICK, DIALECTS[kind]) as provider, talking_to(provider) as client:
        assert (await client.until("session.created"))["session"]["model"] == "sim"
        await configure(client, **session)
        if kind == "glm":
            await client.until("heartbeat")
        begun = len(client.got)
        await client.say(utterance(hears_hz))
        done = await client.until("response.done")
        assert client.types[begun:] == turn
        assert done["response"]["output"][0]["content"][0]["type"] == "audio"
        assert tags_in([event["delta"] for event in client.of("response.audio.delta")]) == list(range(8))
        assert provider.sessions[0].tags == list(range(15))
        heard = client.of("conversation.item.input_audio_transcription.completed")
        assert [event["transcript"] for event in heard] == ["Ni hao."]


@pytest.mark.parametrize("kind", ["step", "glm"])
async def test_without_being_asked_nobody_listens_for_turns(kind: str, autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory(QUICK, DIALECTS[kind]) as provider, talking_to(provider) as client:
        await configure(client, **AUDIO_CHAT, **({"input_audio_format": "pcm"} if kind == "glm" else {}))
        await client.say(utterance(DIALECTS[kind].hears_hz))
        await client.send({"type": "input_audio_buffer.commit"})
        assert (await client.until("input_audio_buffer.committed"))["type"] == client.types[-1]
        assert "input_audio_buffer.speech_started" not in client.types
        await client.send({"type": "response.create"})
        await client.until("response.done")


@pytest.mark.parametrize("kind", ["qwen", "glm", "step"])
async def test_a_reply_is_cancelled(kind: str, autojump_clock: trio.testing.MockClock) -> None:
    behaviour = Behaviour(paced=True, response_ms=60_000)
    async with open_provider_in_memory(behaviour, DIALECTS[kind]) as provider, talking_to(provider) as client:
        await client.send({"type": "response.create"})
        await client.until("response.audio.delta")
        await client.send({"type": "response.cancel"})
        assert (await client.until("response.done"))["response"]["status"] == "cancelled"


@pytest.mark.parametrize("kind", ["qwen", "glm", "step"])
async def test_no_reply_can_be_truncated(kind: str, autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory(QUICK, DIALECTS[kind]) as provider, talking_to(provider) as client:
        await client.send({"type": "conversation.item.truncate", "item_id": "item", "audio_end_ms": 0})
        assert (await client.until("error"))["error"]["param"] == "type"


@pytest.mark.parametrize(
    ("kind", "session", "tool"),
    [
        ("qwen", {}, {"type": "function", "function": {"name": "weather"}}),
        ("step", {}, {"type": "function", "function": {"name": "weather"}}),
        ("glm", AUDIO_CHAT, {"type": "function", "name": "weather"}),
    ],
)
async def test_a_tool_is_called_and_its_result_is_answered(
    kind: str, session: dict[str, Any], tool: dict[str, Any], autojump_clock: trio.testing.MockClock
) -> None:
    async with open_provider_in_memory(CALLING, DIALECTS[kind]) as provider, talking_to(provider) as client:
        await configure(client, **session, tools=[tool])
        await client.send({"type": "response.create"})
        call = await client.until("response.function_call_arguments.done")
        assert (call["name"], call["arguments"]) == ("weather", "{}")
        assert bool(client.of("response.function_call_arguments.delta")) == (kind != "glm")
        result = {"type": "function_call_output", "output": "{}"}
        item = result if kind == "glm" else result | {"call_id": call["call_id"]}
        await client.send({"type": "conversation.item.create", "item": item})
        await client.send({"type": "response.create"})
        said = [event["delta"] for event in await until_done_twice(client)]
        assert "".join(said) == "It is sunny."


async def until_done_twice(client: SimClient) -> list[dict[str, Any]]:
    while len(client.of("response.done")) < 2:
        await client.next()
    return client.of("response.audio_transcript.delta")


async def test_qwen_refuses_speech_without_text_and_foreign_formats(autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory(QUICK, DIALECTS["qwen"]) as provider, talking_to(provider) as client:
        error = await refused(client, modalities=["audio"])
        assert (error["code"], error["param"]) == ("invalid_value", "session.modalities")
        assert (await refused(client, input_audio_format="wav"))["param"] == "session.input_audio_format"
        assert (await configure(client, modalities=["text"]))["modalities"] == ["text"]
        await client.send({"type": "response.create"})
        await client.until("response.done")
        assert "".join(event["delta"] for event in client.of("response.text.delta")) == "Nice to meet you."


async def test_pictures_are_taken_without_a_word(autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory(QUICK, DIALECTS["qwen"]) as provider, talking_to(provider) as client:
        await client.send({"type": "input_image_buffer.append", "image": "…"})
        await client.send({"type": "input_audio_buffer.clear"})
        await client.until("input_audio_buffer.cleared")
        assert client.types == ["session.created", "input_audio_buffer.cleared"]


async def test_step_keeps_its_voice_once_it_has_spoken(autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory(QUICK, DIALECTS["step"]) as provider, talking_to(provider) as client:
        assert (await configure(client, voice="wenrounansheng"))["voice"] == "wenrounansheng"
        await client.send({"type": "response.create"})
        await client.until("response.done")
        assert (await refused(client, voice="jingdiannvsheng"))["param"] == "session.voice"


async def test_glm_hears_wav_at_16_khz_only(autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory(QUICK, DIALECTS["glm"]) as provider, talking_to(provider) as client:
        assert (await refused(client, **SERVER_VAD))["code"] == "missing_required_parameter"
        await configure(client, **SERVER_VAD, **AUDIO_CHAT)
        await client.say(wav(utterance(24_000), 24_000))
        assert "16000 Hz only" in (await client.until("error"))["error"]["message"]
        await client.say(b"no file")
        assert (await client.until("error"))["error"]["code"] == "invalid_audio"
        await client.say(wav(utterance(16_000), 16_000))
        await client.until("response.done")
        assert provider.sessions[0].tags == list(range(15))


async def test_glm_s_heart_beats_every_half_minute(autojump_clock: trio.testing.MockClock) -> None:
    async with open_provider_in_memory(QUICK, DIALECTS["glm"]) as provider, talking_to(provider) as client:
        begun = trio.current_time()
        for _ in range(4):
            await client.until("heartbeat")
        assert trio.current_time() - begun == 120


@pytest.mark.parametrize(("kind", "life_s"), [("openai", 3600), ("qwen", 7200)])
async def test_sessions_end_at_the_provider_s_own_limit(
    kind: str, life_s: int, autojump_clock: trio.testing.MockClock
) -> None:
    behaviour = with_real_limits(QUICK, DIALECTS[kind])
    async with open_provider_in_memory(behaviour, DIALECTS[kind]) as provider, talking_to(provider) as client:
        begun = trio.current_time()
        assert (await client.until_closed())[0] == 1001
        assert trio.current_time() - begun == life_s
