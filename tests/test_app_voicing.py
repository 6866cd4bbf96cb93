"""A house with configured voices: they speak, they fail and are stood in for, they are changed while somebody talks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from neko.app import Verdict, check
from neko.app.voices import parts_of, require_voices
from neko.client import StartRefused, connect
from neko.client.character import CharacterClient
from neko.config.errors import ConfigError
from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.protocol.client import InputType
from neko.protocol.errors import StatusCode
from neko.protocol.server import AudioChunk, ReplyText, ServerMessage, SessionSwapped, Status, TurnEnd
from neko.testing.voices.http import open_http_voice
from neko.testing.voices.script import Script, say
from tests.test_app import SCRIPTED, a_house
from tests.voice_stage import KINDS, golden

VOICED = SCRIPTED + 'tts = "mine"\n[voices.mine]\nkind = "openai"\nurl = "{}/v1"\n'
SECOND = bytes(48_000)  # of silence, at 24 kHz
ANSWERED = 10.0  # seconds; on loopback it takes far less


def configured(tmp_path: Path, text: str) -> ConfigManager:
    return ConfigManager(parse(text, "neko.toml"), OverrideStore.in_folder(tmp_path), "neko.toml")


@asynccontextmanager
async def talking(tmp_path: Path, text: str) -> AsyncIterator[CharacterClient]:
    with trio.fail_after(2 * ANSWERED):
        async with a_house(tmp_path, text) as house, connect(house.url, "Yui") as client:
            await house.ready()
            await client.start(InputType.TEXT)
            yield client


async def reply(client: CharacterClient, text: str = "Hello!") -> list[ServerMessage]:
    """All that the client gets up to the turn's end."""
    got: list[ServerMessage] = []
    await client.send_text(text)
    async for message in client:
        got.append(message)
        if isinstance(message, TurnEnd):
            return got
    raise AssertionError("no turn end")


def seconds(got: list[ServerMessage]) -> float:
    return sum(len(each.pcm) for each in got if isinstance(each, AudioChunk)) / 96_000


def complaints(got: list[ServerMessage]) -> list[str]:
    return [each.details for each in got if isinstance(each, Status) and each.code is StatusCode.TTS_CONNECTION_FAILED]


@pytest.mark.slow
async def test_a_configured_voice_speaks_every_phrase(tmp_path: Path) -> None:
    async with open_http_voice(say(SECOND)) as server, talking(tmp_path, VOICED.format(server.url)) as client:
        got = await reply(client)
        asked = " ".join(request.messages[0]["input"] for request in server.requests)
        shown = "".join(each.text for each in got if isinstance(each, ReplyText))
        assert asked.split() == shown.split()
        assert seconds(got) == len(server.requests)
        assert complaints(got) == []


@pytest.mark.slow
async def test_a_fault_in_the_middle_loses_a_sentence_and_the_client_is_told_once(tmp_path: Path) -> None:
    whole, broken = say(SECOND), say(SECOND, SECOND, cut_after=1)
    async with (
        open_http_voice(broken, whole, broken, whole) as server,
        talking(tmp_path, VOICED.format(server.url) + 'fallback = "silent"\n') as client,
    ):
        got = await reply(client)
        (told,) = complaints(got)
        assert told.startswith("the voice openai broke off")
        assert told.endswith("a sentence was lost, the next one is tried again")
        assert seconds(got) >= len(server.requests) - 2


@pytest.mark.slow
async def test_a_voice_that_does_not_work_is_stood_in_for_and_the_client_is_told_once(tmp_path: Path) -> None:
    refusing = Script(steps=(), refuse_status=401)
    async with open_http_voice(refusing) as server:
        async with talking(tmp_path, VOICED.format(server.url) + 'fallback = "tone"\n') as client:
            first, second = await reply(client), await reply(client)
            (told,) = complaints([*first, *second])
            assert told.startswith("the voice openai refused the API key: check the variable that api_key_env names")
            assert told.endswith("the voice tone speaks instead, until it is back")
            assert seconds(first) > 0.5
            assert seconds(second) > 0.5
        assert len(server.requests) <= 3  # as many as were in the making when it was found out


@pytest.mark.slow
async def test_a_changed_voice_reaches_whoever_talks(tmp_path: Path) -> None:
    async with open_http_voice(say(SECOND)) as old, open_http_voice(say(SECOND)) as new:
        with trio.fail_after(2 * ANSWERED):
            async with a_house(tmp_path, VOICED.format(old.url)) as house, connect(house.url, "Yui") as client:
                await house.ready()
                await client.start(InputType.TEXT)
                await reply(client)
                async with trio.open_nursery() as process:
                    house.adopt(parse(VOICED.format(new.url), "neko.toml"), "neko.toml", process)
                    async for message in client:
                        if isinstance(message, SessionSwapped):
                            assert message.reason == "config"
                            break
                    await reply(client)
    assert old.requests
    assert new.requests


def test_who_is_touched_by_a_changed_voice(tmp_path: Path) -> None:
    voices = '[voices.a]\nkind = "openai"\nurl = "{}"\nfallback = "b"\n'
    voices += '[voices.b]\nkind = "espeak"\n[voices.c]\nkind = "espeak"\n'
    characters = '[characters.Yui]\ntts = "a"\n[characters.Mimi]\n'
    config = configured(tmp_path, characters + voices.format("http://one"))
    assert list(config.snapshot("Yui").voices) == ["a", "b"]
    assert config.replace(parse(characters + voices.format("http://two"), "neko.toml")).touched == {"Yui"}
    changed = voices.format("http://two").replace('[voices.b]\nkind = "espeak"', '[voices.b]\nkind = "tone"')
    assert config.replace(parse(characters + changed, "neko.toml")).touched == {"Yui"}
    changed = changed.replace('[voices.c]\nkind = "espeak"', '[voices.c]\nkind = "tone"')
    assert config.replace(parse(characters + changed, "neko.toml")).touched == set()


OPENAI = '[characters.Yui]\ntts = "mine"\n[voices.mine]\nkind = "openai"\nurl = "http://127.0.0.1:1"\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            OPENAI.replace('"openai"', '"opnai"'),
            'voices.mine.kind is "opnai", which is no voice engine',
        ),
        (OPENAI.replace("http:", "https:"), "voices.mine.api_key_env is missing or wrong (kind openai needs it)"),
        (OPENAI.replace("http:", "ftp:"), 'voices.mine.url begins with "ftp"'),
        (OPENAI + "options = 3", "voices.mine.options is 3; accepted: a table"),
        (OPENAI + "options = {sample_rate = 3}", "voices.mine.options.sample_rate is missing or wrong"),
        (
            OPENAI + "options = {since = 2026-11-26}",
            "voices.mine.options is a table; accepted: a table of",
        ),
        (OPENAI + 'api_key = "sk-1"', "unknown key voices.mine.api_key; secrets are named, never written"),
        (OPENAI + 'fallback = "nobody"', 'voices.mine.fallback is "nobody", which is no voice engine'),
        (OPENAI + 'fallback = "mine"', 'voices.mine.fallback is "mine", whose own fallback leads back'),
        (OPENAI + '[voices.native]\nkind = "tone"', 'voices.native: "native" is the provider\'s own speech'),
        (
            OPENAI + '[voices.idle]\nkind = "toon"',
            'voices.idle.kind is "toon", which is no voice engine',
        ),
        (
            OPENAI + '[voices.idle]\nkind = "embedded"\nvoice = "x"',
            'voices.idle.voice is "x", which the engine embedded',
        ),
        (
            '[characters.Yui]\ntts = "openai"',
            'characters.Yui.tts is "openai", an engine that cannot be used without settings',
        ),
    ],
)
def test_what_is_wrong_with_a_voice_is_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        require_voices(configured(tmp_path, text))
    assert str(caught.value).startswith(f"neko.toml: {sentence}")


def test_who_stands_in_for_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neko.app.voices.which", lambda _command: "/usr/bin/espeak-ng")

    def names(text: str) -> list[tuple[str, str]]:
        snapshot = configured(tmp_path, text).snapshot("Yui")
        return [(part.name, part.voice_id) for part in parts_of(snapshot, snapshot.character.tts)]

    chosen = OPENAI.replace('tts = "mine"', 'tts = "mine"\nvoice = "nova"')
    assert names(chosen + 'voice = "alloy"') == [("mine", "nova"), ("embedded", "default")]
    assert names(OPENAI + 'voice = "alloy"') == [("mine", "alloy"), ("embedded", "default")]
    chinese, japanese = (OPENAI.replace('"mine"\n', f'"mine"\nlanguage = "{each}"\n', 1) for each in ("zh", "ja"))
    assert names(chinese) == [("mine", "default"), ("espeak", "default")]
    assert names(japanese) == [
        ("mine", "default"),
        ("embedded-ja", "default"),
    ]
    assert names(OPENAI + 'fallback = "silent"') == [("mine", "default"), ("silent", "default")]
    assert names('[characters.Yui]\ntts = "tone"\n') == [("tone", "default")]


async def test_a_voice_whose_key_is_not_there_fails_the_start(tmp_path: Path) -> None:
    text = VOICED.format("http://127.0.0.1:1") + 'api_key_env = "NEKO_TEST_NO_SUCH_KEY"\n'
    async with a_house(tmp_path, text) as house, connect(house.url, "Yui") as client:
        with pytest.raises(StartRefused, match="NEKO_TEST_NO_SUCH_KEY is not set; it must hold the voice's API key"):
            await client.start(InputType.TEXT)


@pytest.mark.parametrize("refuses", [False, True])
async def test_check_has_a_row_for_each_configured_voice(tmp_path: Path, refuses: bool) -> None:
    for kind in KINDS:
        vendor = golden(kind)
        script = vendor.script(refuse_status=401 if refuses else None)
        async with vendor.serve(script) as server:
            table = f'[voices.mine]\nkind = "{kind}"\nurl = "{server.url}{vendor.base}"\nvoice = "{vendor.voice}"\n'
            config = configured(tmp_path, SCRIPTED + 'tts = "mine"\n' + table)
            (row,) = [finding async for finding in check(config) if finding.subject == "voice mine"]
        tried = bool(server.requests)
        assert all(request.method == "GET" for request in server.requests)  # nothing was spoken
        assert row.verdict is (Verdict.FAILED if refuses and tried else Verdict.OK)
        assert ("refused the API key" in row.detail) is (refuses and tried)
        assert tried or row.detail.endswith("not tried: it could only be asked to speak")
        assert tried is (kind not in {"glm", "minimax", "gpt-sovits"})


async def test_check_forgives_a_voice_that_nobody_uses(tmp_path: Path) -> None:
    config = configured(tmp_path, SCRIPTED + '[voices.idle]\nkind = "openai"\nurl = "http://127.0.0.1:1"\n')
    (row,) = [finding async for finding in check(config) if finding.subject == "voice idle"]
    assert row.verdict is Verdict.UNUSED
    assert row.detail.startswith("the voice openai does not answer at 127.0.0.1")
