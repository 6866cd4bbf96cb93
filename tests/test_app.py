"""The whole house on real sockets, with the scripted persona behind it: from the microphone to the client's ear."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio

from neko.app import Finding, House, NotReady, ProviderFinding, Verdict, check, open_house
from neko.app.dialects import VENDORS
from neko.audio.pcm import duration_ms, pieces
from neko.client import StartRefused, connect
from neko.client.character import CharacterClient
from neko.client.errors import ServerDraining
from neko.client.turn import one_turn
from neko.config.manager import ConfigManager
from neko.config.model import ProviderKind
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.protocol.client import AudioFraming, InputType, SwapSession, SwapWhen
from neko.protocol.server import SessionSwapped
from neko.testing import Behaviour, open_provider, tag
from neko.web.listener import CannotListen

SCRIPTED = """
[providers.local]
kind = "local"
model = "scripted"
[characters.Yui]
"""
OPENAI = """
[providers.x]
kind = "openai"
url = "{}"
[characters.Yui]
provider = "x"
voice = "alloy"
"""
MIC_HZ = 16_000


@asynccontextmanager
async def a_house(tmp_path: Path, text: str = SCRIPTED, port: int = 0) -> AsyncIterator[House]:
    config = ConfigManager(parse(text, "neko.toml"), OverrideStore.in_folder(tmp_path))
    async with open_house(config, host="127.0.0.1", port=port, on_progress=lambda *_: None) as house:
        yield house


async def say_something(client: CharacterClient) -> None:
    """One second of tone and one of silence, in 20 ms frames, as fast as the line takes them."""
    for frame in pieces(tag(0, 100, MIC_HZ) + bytes(2 * MIC_HZ), 20, MIC_HZ):
        await client.send_audio(frame, MIC_HZ)


@pytest.mark.slow
@pytest.mark.parametrize("framing", list(AudioFraming))
async def test_a_spoken_turn_through_every_room(tmp_path: Path, framing: AudioFraming) -> None:
    async with a_house(tmp_path) as house:
        await house.ready()
        async with connect(house.url, "Yui", framing=framing) as client:
            await client.start(InputType.AUDIO)
            await say_something(client)
            reply = await one_turn(client)
            assert reply.heard == "Hello, what is your name?"
            assert reply.text.startswith("I am a scripted voice")
            assert reply.emotion == "happy"
            assert duration_ms(reply.speech, 48_000) > 500
            assert not reply.interrupted


@pytest.mark.slow
async def test_a_typed_turn_is_spoken_as_well(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, connect(house.url, "Yui") as client:
        await client.start(InputType.TEXT)
        await client.send_text("Hello!")
        reply = await one_turn(client)
        assert reply.text.startswith("I am a scripted voice")
        assert duration_ms(reply.speech, 48_000) > 500


@pytest.mark.slow
async def test_health_and_history_tell_the_truth(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, httpx.AsyncClient(base_url=house.url, trust_env=False) as http:
        await house.ready()
        assert (await http.get("/health")).json() == {"status": "ok", "detail": {"embedded": "warm"}}
        async with connect(house.url, "Yui") as client:
            await client.start(InputType.TEXT)
            await client.send_text("Hello!")
            await one_turn(client)
        history = (await http.get("/api/characters/Yui/history")).json()["history"]
        assert [utterance["role"] for utterance in history] == ["user", "assistant"]


@pytest.mark.slow
async def test_a_drain_ends_the_house_and_says_goodbye(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.ready()
        async with connect(house.url, "Yui") as client:
            await client.start(InputType.TEXT)
            house.drain()
            kinds = [type(message).__name__ async for message in _until_closed(client)]
        assert kinds == ["SessionPreparing", "Status", "SessionEndedByServer"]
        await trio.sleep_forever()


async def _until_closed(client: CharacterClient) -> AsyncIterator[object]:
    try:
        async for message in client:
            yield message
    except ServerDraining:
        return


async def test_a_missing_model_is_a_sentence(tmp_path: Path) -> None:
    nowhere = SCRIPTED.replace("scripted", str(tmp_path / "no.gguf"))
    async with a_house(tmp_path, nowhere) as house:
        with pytest.raises(NotReady, match=r"no\.gguf"):
            await house.ready()
        async with connect(house.url, "Yui") as client:
            with pytest.raises(StartRefused, match=r"no\.gguf"):
                await client.start(InputType.AUDIO)


async def test_a_busy_port_is_a_sentence(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        port = int(house.url.rsplit(":", 1)[1])
        with pytest.raises(CannotListen, match=str(port)):
            async with a_house(tmp_path, port=port):
                pytest.fail("two houses at one door")


async def test_a_voice_of_the_provider_that_nobody_else_has_fails_a_typed_start(tmp_path: Path) -> None:
    scripted = SCRIPTED.replace("[characters.Yui]\n", "").replace("scripted", "missing.gguf")
    text = scripted + OPENAI.format("ws://127.0.0.1:1")
    async with a_house(tmp_path, text) as house, connect(house.url, "Yui") as client:
        with pytest.raises(StartRefused, match="alloy") as refusal:
            await client.start(InputType.TEXT)
        assert refusal.value.code == "TTS_CONNECTION_FAILED"


@pytest.mark.slow
async def test_a_provider_of_the_field_and_its_own_voice(tmp_path: Path) -> None:
    """An OpenAI provider on loopback: its sound reaches the client at 48 kHz, twice the samples of what it sent."""
    async with open_provider(Behaviour(silence_ms=200, response_ms=400)) as provider:
        text = OPENAI.format(provider.url)
        async with a_house(tmp_path, text) as house, connect(house.url, "Yui") as client:
            await client.start(InputType.AUDIO)
            await say_something(client)
            reply = await one_turn(client)
            assert reply.text == "Nice to meet you."
            assert duration_ms(reply.speech, 48_000) == 400
            theirs = await provider.session()
            assert theirs.tags[:100] == list(range(100))


async def test_check_finds_what_works_and_what_does_not(tmp_path: Path) -> None:
    async with open_provider(Behaviour(refuse_status=401)) as provider:
        text = OPENAI.format(provider.url)
        config = ConfigManager(parse(text, "neko.toml"), OverrideStore.in_folder(tmp_path))
        findings = {finding.subject: finding async for finding in check(config)}
    assert findings["provider x"].verdict is Verdict.FAILED
    assert "HTTP 401" in findings["provider x"].detail
    assert findings["provider local"].verdict is Verdict.OK
    assert findings["voice of Yui"].detail == "the provider's own"
    assert findings["data folder"] == Finding("data folder", Verdict.OK, str(tmp_path))
    model = findings["model Qwen2.5-Coder-1.5B-Instruct Q4_K_M"]
    assert "Apache-2.0" in model.detail
    assert "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046" in model.detail


async def test_check_reaches_every_provider_that_is_configured(tmp_path: Path) -> None:
    """One that nobody uses may be away. A key in a URL is not shown."""
    gone = '[providers.gone]\nkind = "gemini"\nurl = "ws://127.0.0.1:9/live?key=secret"\n'
    async with open_provider() as provider:
        text = OPENAI.format(f"{provider.url}?key=secret") + gone
        config = ConfigManager(parse(text, "neko.toml"), OverrideStore.in_folder(tmp_path))
        findings = [finding async for finding in check(config) if isinstance(finding, ProviderFinding)]
        sessions = [session.events("session.update")[0]["session"] for session in provider.sessions]
    told = [(each.name, each.kind, each.verdict, each.url, each.tried, each.sessions) for each in findings]
    gemini = "16 kHz in, 24 kHz out, at most 10 min, warns 60 s before, can be resumed, sees, does not tell speech"
    openai = "24 kHz in, 24 kHz out, at most 60 min, names its end, sees"
    here = "24 kHz in, 24 kHz out, no limit"
    assert told == [
        ("gone", "gemini", Verdict.UNUSED, "ws://127.0.0.1:9/live", "opened a session", gemini),
        ("local", "local", Verdict.OK, "in this process", "looked for its engine", here),
        ("x", "openai", Verdict.OK, provider.url, "opened a session", openai),
    ]
    assert findings[0].detail.startswith("nobody answers at 127.0.0.1:9")
    assert findings[0].detail.endswith("try again in a moment")
    assert [session["instructions"] for session in sessions] == [""]


async def test_check_finds_a_data_folder_that_takes_nothing(tmp_path: Path) -> None:
    config = ConfigManager(parse(SCRIPTED, "neko.toml"), OverrideStore.in_folder(tmp_path / "data"))
    (tmp_path / "data").write_text("where the folder should be")
    findings = {finding.subject: finding async for finding in check(config)}
    assert findings["data folder"].verdict is Verdict.FAILED
    assert "server.data_dir" in findings["data folder"].detail


async def test_check_tells_what_is_missing_from_what_nobody_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neko.local.installed.is_installed", lambda _model: False)

    async def verdicts(text: str) -> set[Verdict]:
        config = ConfigManager(parse(text, "neko.toml"), OverrideStore.in_folder(tmp_path))
        return {finding.verdict async for finding in check(config) if finding.subject.startswith("model ")}

    async with open_provider(Behaviour(refuse_status=401)) as provider:
        alone = OPENAI.format(provider.url) + 'text_provider = "x"\n'
        assert await verdicts(alone) == {Verdict.UNUSED}
    assert await verdicts(SCRIPTED) == {Verdict.UNUSED}
    assert await verdicts(SCRIPTED.replace("scripted", "mine.gguf")) == {Verdict.UNUSED, Verdict.FAILED}
    assert await verdicts("") == {Verdict.FAILED}


@pytest.mark.slow
async def test_a_provider_that_dies_in_mid_utterance_costs_no_block(tmp_path: Path) -> None:
    """On real sockets: the next session hears the utterance from its beginning, each block once and in order."""
    async with (
        open_provider(Behaviour(silence_ms=200, response_ms=200)) as provider,
        a_house(tmp_path, OPENAI.format(provider.url)) as house,
        connect(house.url, "Yui") as client,
    ):
        await client.start(InputType.AUDIO)
        sound = list(pieces(tag(0, 100, MIC_HZ) + bytes(2 * MIC_HZ), 20, MIC_HZ))
        for frame in sound[:25]:
            await client.send_audio(frame, MIC_HZ)
        first = await provider.session(0)
        await first.heard(40)
        await first.drop()
        for frame in sound[25:]:
            await client.send_audio(frame, MIC_HZ)
        reply = await one_turn(client)
        second = await provider.session(1)
        assert reply.text == "Nice to meet you."
        assert second.tags[:100] == list(range(100))


@pytest.mark.slow
async def test_another_voice_between_two_sentences(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, connect(house.url, "Yui") as client:
        await client.start(InputType.AUDIO)
        await say_something(client)
        first = await one_turn(client)
        await client.send(SwapSession(when=SwapWhen.TURN, prompt="You are a pirate.", voice="calm"))
        swapped = None
        with trio.fail_after(5):
            swapped = [message async for message in until(client, SessionSwapped)][-1]
        await say_something(client)
        second = await one_turn(client)
        assert isinstance(swapped, SessionSwapped)
        assert (swapped.reason, swapped.lost_ms, swapped.gap_ms) == ("requested", 0, 0)
        assert first.text != second.text
        assert not second.interrupted


async def until(client: CharacterClient, kind: type) -> AsyncIterator[object]:
    async for message in client:
        yield message
        if isinstance(message, kind):
            return


def test_each_kind_but_those_two_is_a_vendors() -> None:
    assert {*VENDORS, ProviderKind.LOCAL, ProviderKind.CHAT} == {*ProviderKind}
