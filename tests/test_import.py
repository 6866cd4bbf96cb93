"""`neko import`: a N.E.K.O. installation becomes a file that neko starts with, and what is left out is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from attrs import define, field
from click.testing import CliRunner, Result

from neko.cli import main
from neko.config.model import Configuration, ProviderKind
from neko.config.read import parse, read_configuration

PERSON = {"档案名": "哥哥", "性别": "男"}
CARD = {
    "性别": "女",
    "年龄": 15,
    "核心特质": ["傲娇", "温柔"],
    "live2d": "mao_pro",
    "voice_id": "Cherry",
    "system_prompt": '你是{LANLAN_NAME}，\n{MASTER_NAME}的"猫娘"。',
}
VENDORS = {
    "core_api_providers": {"qwen": {"core_url": "wss://qwen.example/realtime", "core_model": "omni"}},
    "assist_api_providers": {
        "qwen_intl": {"openrouter_url": "https://qwen.example/v1", "conversation_model": "plus", "summary_model": "s"}
    },
}
CORE = {"coreApi": "qwen", "coreApiKey": "sk-core", "assistApi": "qwen_intl", "assistApiKeyQwenIntl": "sk-intl"}


@define
class Installed:
    """A folder with those of the files that are not None."""

    folder: Path
    cards: dict[str, Any] = field(factory=lambda: {"小天": CARD})
    current: str = "小天"
    core: Any = field(factory=lambda: dict(CORE))
    vendors: Any = field(factory=lambda: dict(VENDORS))

    def imported(self, *options: str, place: str = "config") -> Result:
        """What `neko import` made of it, in `neko.toml` beside it."""
        characters = {"主人": PERSON, "猫娘": self.cards, "当前猫娘": self.current}
        files = {"characters": characters, "core_config": self.core, "api_providers": self.vendors}
        (self.folder / "old" / place).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            if content is not None:
                (self.folder / "old" / place / f"{name}.json").write_bytes(orjson.dumps(content))
        command = ["import", str(self.folder / "old"), "--output", str(self.toml), *options]
        return CliRunner().invoke(main, command)

    @property
    def toml(self) -> Path:
        return self.folder / "neko.toml"

    def read(self) -> Configuration:
        return read_configuration(self.toml)


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


def test_a_character_with_her_vendors(installed: Installed) -> None:
    result = installed.imported()
    assert (result.exit_code, result.stdout) == (0, "")
    read = installed.read()
    speaking, typing = read.providers["qwen"], read.providers["qwen_intl-text"]
    assert (speaking.kind, speaking.url, speaking.model) == (ProviderKind.QWEN, "wss://qwen.example/realtime", "omni")
    assert (typing.kind, typing.url, typing.model) == (ProviderKind.CHAT, "https://qwen.example/v1", "plus")
    tian = read.characters["小天"]
    assert (tian.provider, tian.text_provider, tian.voice) == ("qwen", "qwen_intl-text", "Cherry")
    assert tian.filled("小天").prompt == "\n\n".join(
        [
            '你是小天，\n哥哥的"猫娘"。',
            "About 小天:\n- 性别: 女\n- 年龄: 15\n- 核心特质: 傲娇; 温柔",
            "About 哥哥:\n- 性别: 男",
        ]
    )


def test_a_key_is_named_and_nowhere_written(installed: Installed) -> None:
    result = installed.imported()
    assert {each.api_key_env for each in installed.read().providers.values()} == {
        "",
        "DASHSCOPE_API_KEY",
        "DASHSCOPE_INTL_API_KEY",
    }
    assert "Set DASHSCOPE_API_KEY to coreApiKey of" in result.stderr
    assert "Set DASHSCOPE_INTL_API_KEY to assistApiKeyQwenIntl of" in result.stderr
    assert "sk-" not in result.stderr + installed.toml.read_text()


def test_what_is_left_out_is_named(installed: Installed) -> None:
    installed.core |= {"summaryModelId": "m", "mcpToken": "t"}
    installed.cards["a/b"] = {"性别": "女"}
    left = installed.imported().stderr.partition("Not carried over:")[2].strip().splitlines()
    assert left == [
        "- core_config.json: summaryModelId, mcpToken (no such settings here)",
        "- how 小天 looks (live2d): a client shows that",
        "- the character 'a/b': characters.\"a/b\" is no name for a character; accepted: a name of 1 to 100 "
        "characters, without / and control characters",
        "- what the characters remember of earlier talk: it is in none of the three files",
    ]


def test_the_one_that_was_talked_with_last_comes_first(installed: Installed) -> None:
    installed.cards, installed.current = {"A": {}, "B": {}, "C": {}}, "B"
    installed.imported()
    assert list(installed.read().characters) == ["B", "A", "C"]


def test_newer_cards_keep_voice_and_prompt_apart(installed: Installed) -> None:
    installed.cards = {"Tian": {"_reserved": {"voice_id": "Serena", "system_prompt": "Be {LANLAN_NAME}."}}}
    installed.imported()
    tian = installed.read().characters["Tian"]
    assert (tian.voice, tian.prompt.splitlines()[0]) == ("Serena", "Be {LANLAN_NAME}.")


def test_an_endpoint_of_ones_own_counts_when_it_is_switched_on(installed: Installed) -> None:
    own = {"conversationModelUrl": "http://127.0.0.1:11434/v1", "conversationModelId": "qwen3:4b"}
    installed.core |= {**own, "enableCustomApi": True}
    installed.imported()
    read = installed.read()
    assert read.characters["小天"].text_provider == "own-text"
    assert (read.providers["own-text"].url, read.providers["own-text"].model) == tuple(own.values())
    assert read.providers["own-text"].api_key_env == ""
    installed.core["enableCustomApi"] = False
    result = installed.imported("--force")
    assert installed.read().characters["小天"].text_provider == "qwen_intl-text"
    assert "conversationModelUrl, conversationModelId (no such settings here)" in result.stderr


@pytest.mark.parametrize(
    ("core", "said"),
    [
        (None, "core_config.json says nothing: the characters talk by the embedded provider"),
        ({"coreApi": "free"}, "core_config.json: coreApi 'free' is for N.E.K.O. only"),
        ({"coreApi": "new"}, "core_config.json: coreApi 'new' is a vendor that is not known here"),
        ({"assistApi": "kimi"}, "core_config.json: assistApi 'kimi' is not in api_providers.json"),
    ],
)
def test_without_a_vendor_of_ours_the_embedded_provider_talks(installed: Installed, core: Any, said: str) -> None:
    installed.core = core
    result = installed.imported()
    assert f"- {said}\n" in result.stderr
    assert "the voice of 小天 (Cherry): the embedded provider does not have it" in result.stderr
    tian = installed.read().characters["小天"]
    assert (tian.provider, tian.text_provider, tian.voice) == ("local", "local", "default")


def test_a_missing_key_is_asked_for(installed: Installed) -> None:
    installed.core = {"coreApi": "openai"}
    assert "Set OPENAI_API_KEY to your key: none was there" in installed.imported().stderr


@pytest.mark.parametrize("place", ["", "config", "N.E.K.O", "N.E.K.O/config"])
def test_the_files_are_found_where_they_may_be(installed: Installed, place: str) -> None:
    assert installed.imported(place=place).exit_code == 0


def test_to_stdout_comes_the_file_alone(installed: Installed) -> None:
    result = installed.imported("--output", "-")
    assert list(parse(result.stdout, "stdout").characters) == ["小天"]
    assert not installed.toml.exists()


def test_a_file_that_is_there_is_not_replaced(installed: Installed) -> None:
    installed.toml.write_text("mine")
    result = installed.imported()
    assert (result.exit_code, installed.toml.read_text()) == (2, "mine")
    assert "is there already; name another --output, or replace it with --force" in result.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "characters.json: not valid JSON: "),
        (b"[]", "characters.json: is a list; accepted: a JSON object"),
        (b"\xff", "characters.json: not UTF-8 at byte 0"),
        (b"{}", "characters.json: holds no character under 猫娘 that could be carried over"),
        (b'{"\xe7\x8c\xab\xe5\xa8\x98": {"A": 3}}', "characters.json: holds no character under"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "characters.json").write_bytes(content)
    result = CliRunner().invoke(main, ["import", str(tmp_path), "--output", "-"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_a_folder_without_characters(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["import", str(tmp_path)])
    assert result.exit_code == 2
    assert "no characters.json is there; looked in" in result.stderr


def test_grok_is_xai(installed: Installed) -> None:
    installed.core = {"coreApi": "grok", "coreApiKey": "k"}
    result = installed.imported()
    read = installed.read()
    assert read.providers["grok"].kind is ProviderKind.XAI
    assert read.characters["小天"].provider == "grok"
    assert "Set XAI_API_KEY to coreApiKey of" in result.stderr


def test_who_describes_pictures(installed: Installed) -> None:
    installed.vendors["assist_api_providers"]["qwen_intl"]["vision_model"] = "vl"
    installed.imported()
    read = installed.read()
    assert read.characters["小天"].vision == "qwen_intl-vision"
    seeing = read.providers["qwen_intl-vision"]
    assert (seeing.kind, seeing.url, seeing.model) == (ProviderKind.CHAT, "https://qwen.example/v1", "vl")


def test_who_describes_pictures_at_an_endpoint_of_ones_own(installed: Installed) -> None:
    installed.core |= {
        "enableCustomApi": True,
        "visionModelUrl": "http://127.0.0.1:11434/v1",
        "visionModelId": "llava",
        "visionModelApiKey": "sk-own",
    }
    result = installed.imported()
    seeing = installed.read().providers["own-vision"]
    assert (seeing.url, seeing.model, seeing.api_key_env) == ("http://127.0.0.1:11434/v1", "llava", "VISION_API_KEY")
    assert "Set VISION_API_KEY to visionModelApiKey of" in result.stderr
    assert "visionModel" not in result.stderr.partition("Not carried over:")[2]


RECORDING = {"ttsModelUrl": "http://127.0.0.1:9881", "ttsVoiceId": "D:/voices/tian.wav"}


@pytest.mark.parametrize(
    "chosen",
    [
        {"ttsModelProvider": "gptsovits"},
        {"gptsovitsEnabled": True},
        {"ttsModelProvider": "follow_assist", "gptsovitsEnabled": True},
    ],
)
def test_gpt_sovits_with_its_recording(installed: Installed, chosen: dict[str, Any]) -> None:
    installed.core |= {"enableCustomApi": True, **RECORDING, **chosen}
    left = installed.imported().stderr.partition("Not carried over:")[2]
    read = installed.read()
    voice = read.voices["gpt-sovits"]
    assert (voice.kind, voice.url, voice.voice) == ("gpt-sovits", "http://127.0.0.1:9881", "D:/voices/tian.wav")
    tian = read.characters["小天"]
    assert (tian.tts, tian.voice) == ("gpt-sovits", "default")
    assert "the voice of 小天 (Cherry): the voice gpt-sovits does not have it" in left
    assert "tts" not in left


def test_a_speech_endpoint_of_ones_own(installed: Installed) -> None:
    installed.core |= {
        "enableCustomApi": True,
        "ttsModelProvider": "custom",
        "ttsModelUrl": "https://speech.example/v1/audio/speech",
        "ttsModelId": "tts-1",
        "ttsVoiceId": "alloy",
        "ttsModelApiKey": "sk-voice",
    }
    result = installed.imported()
    voice = installed.read().voices["own-voice"]
    assert (voice.kind, voice.url) == ("openai", "https://speech.example/v1")
    assert (voice.model, voice.voice, voice.api_key_env) == ("tts-1", "alloy", "TTS_API_KEY")
    assert installed.read().characters["小天"].tts == "own-voice"
    assert "Set TTS_API_KEY to ttsModelApiKey of" in result.stderr
    assert "sk-voice" not in result.stderr + installed.toml.read_text()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"gptsovitsEnabled": True, "ttsVoiceId": "tian"},
            "core_config.json: GPT-SoVITS with ttsVoiceId 'tian': here it needs the path of a reference recording",
        ),
        (
            {"ttsModelProvider": "mimo", "ttsModelUrl": "ws://127.0.0.1:1"},
            "core_config.json: ttsModelProvider 'mimo' with ttsModelUrl 'ws://127.0.0.1:1': no such voice engine here",
        ),
    ],
)
def test_a_voice_without_an_engine_is_named(installed: Installed, settings: dict[str, Any], said: str) -> None:
    installed.core |= {"enableCustomApi": True, **settings}
    result = installed.imported()
    assert f"- {said}\n" in result.stderr
    assert installed.read().voices == {}
    assert installed.read().characters["小天"].tts == "native"


def test_a_voice_of_ones_own_counts_when_it_is_switched_on(installed: Installed) -> None:
    installed.core |= {"gptsovitsEnabled": True, **RECORDING}
    result = installed.imported()
    assert installed.read().voices == {}
    assert "ttsModelUrl, ttsVoiceId (no such settings here)" in result.stderr


def test_what_the_characters_speak(installed: Installed) -> None:
    installed.imported("--language", "zh")
    assert installed.read().characters["小天"].language == "zh"
