"""What a `neko.toml` means, and what its writer is told when it means nothing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import attrs
import pytest

from neko.config import (
    Agents,
    AudioFrames,
    Character,
    ConfigError,
    Configuration,
    Example,
    Generation,
    Prepare,
    Provider,
    ProviderKind,
    Server,
    SessionPolicy,
    ToolSource,
    Translation,
    built_in,
    parse,
    read_configuration,
)

EVERY_KIND = "openai, azure, xai, qwen, glm, step, gemini, local, chat"
EXAMPLE = Path(__file__).parent.parent / "examples" / "neko.toml"


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "neko.toml")
    return str(caught.value)


def test_the_defaults_of_server() -> None:
    assert attrs.asdict(Server(), recurse=False) == {
        "host": "127.0.0.1",
        "port": 48911,
        "audio_frames": AudioFrames.BASE64,
        "auth_token_env": "NEKO_TOKEN",
        "allowed_origins": (),
        "max_connections": 256,
        "data_dir": "",
        "grace_s": 10.0,
    }


def test_the_defaults_of_session() -> None:
    assert attrs.asdict(SessionPolicy(), recurse=False) == {
        "prepare": Prepare.EAGER,
        "keep_warm_s": 20.0,
        "max_turns": 10,
        "max_age_s": 0.0,
        "swap_deadline_s": 5.0,
        "silence_s": 10.0,
        "resume_s": 30.0,
        "idle_end_s": 1800.0,
        "noise_suppression": 0,
        "echo_guard": False,
        "greet_after_s": 900.0,
    }


def test_the_defaults_of_agents_and_translation() -> None:
    assert attrs.asdict(Agents()) == {
        "session_pub": "tcp://127.0.0.1:48961",
        "result_pull": "tcp://127.0.0.1:48962",
        "analyze_push": "tcp://127.0.0.1:48963",
    }
    assert Translation() == Translation(chain=("googletrans", "translatepy", "llm"), step_timeout_s=5.0)


def test_the_defaults_of_provider_and_character() -> None:
    assert attrs.asdict(Provider(kind=ProviderKind.CHAT)) == {
        "kind": ProviderKind.CHAT,
        "api": Generation.GA,
        "url": "",
        "model": "",
        "api_key_env": "",
        "max_session_s": None,
        "temperature": None,
        "context_tokens": None,
        "sees": None,
    }
    given = attrs.asdict(Character(), recurse=False)
    assert "{LANLAN_NAME}" in given.pop("prompt")
    assert given == {
        "provider": "local",
        "text_provider": "local",
        "vision": "",
        "fallback": "",
        "language": "en",
        "voice": "default",
        "tts": "native",
        "master_name": "my friend",
        "tools": (),
        "examples": (),
        "session": SessionPolicy(),
    }


def test_without_a_file_there_is_yui_and_the_embedded_provider() -> None:
    configuration = built_in()
    assert configuration.providers == {"local": Provider(kind=ProviderKind.LOCAL)}
    assert list(configuration.characters) == ["Yui"]
    yui = configuration.characters["Yui"]
    assert (yui.provider, yui.text_provider, yui.session) == ("local", "local", SessionPolicy())
    assert len(yui.examples) == 4
    assert all(example.character.startswith("<") for example in yui.examples)


def test_the_example_file_names_every_key_and_says_what_is_built_in() -> None:
    written = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    classes = {"server": Server, "session": SessionPolicy, "agents": Agents, "translation": Translation}
    for section, cls in classes.items():
        assert list(written[section]) == [attribute.name for attribute in attrs.fields(cls)]
    assert set(written["characters"]["Yui"]) == {attribute.name for attribute in attrs.fields(Character)}
    assert {key for table in written["providers"].values() for key in table} == set(attrs.fields_dict(Provider))
    assert {key for table in written["tools"].values() for key in table} == set(attrs.fields_dict(ToolSource))

    read, default = read_configuration(EXAMPLE), built_in()
    for section in classes:
        assert getattr(read, section) == getattr(default, section)
    assert read.providers["local"] == default.providers["local"]
    assert read.providers["openai"].max_session_s == 3600.0
    assert read.providers["ollama"].kind is ProviderKind.CHAT
    assert read.characters["Yui"].session == SessionPolicy(max_turns=6)


def test_the_file_adds_providers_and_keeps_the_embedded_one() -> None:
    configuration = parse('[providers.ollama]\nkind = "chat"\nurl = "http://h/v1"', "neko.toml")
    assert set(configuration.providers) == {"local", "ollama"}
    assert list(configuration.characters) == ["Yui"]


def test_the_embedded_provider_can_be_told_its_model() -> None:
    provider = parse('[providers.local]\nmodel = "scripted"', "neko.toml").providers["local"]
    assert provider == Provider(kind=ProviderKind.LOCAL, model="scripted")


def test_yui_is_gone_as_soon_as_the_file_names_a_character() -> None:
    assert list(parse("[characters.Mimi]\n[characters.A]", "neko.toml").characters) == ["Mimi", "A"]
    assert list(parse("[characters]", "neko.toml").characters) == ["Yui"]


def test_a_yui_of_the_file_inherits_nothing_from_the_built_in_one() -> None:
    yui = parse('[characters.Yui]\nvoice = "v"', "neko.toml").characters["Yui"]
    assert yui == Character(voice="v")


def test_the_session_policy_of_a_character_lies_over_the_common_one() -> None:
    text = "[session]\nmax_turns = 3\nkeep_warm_s = 1\n[characters.A]\n[characters.B.session]\nmax_turns = 7"
    configuration = parse(text, "neko.toml")
    assert configuration.session == SessionPolicy(max_turns=3, keep_warm_s=1.0)
    assert configuration.characters["A"].session == configuration.session
    assert configuration.characters["B"].session == SessionPolicy(max_turns=7, keep_warm_s=1.0)


def test_the_common_policy_reaches_the_built_in_yui() -> None:
    assert parse("[session]\nmax_turns = 3", "neko.toml").characters["Yui"].session.max_turns == 3


def test_names_are_filled_in_once_and_other_braces_stay() -> None:
    prompt = 'You are {LANLAN_NAME} with {MASTER_NAME}. {"json": {}}'
    character = Character(
        prompt=prompt, master_name="{LANLAN_NAME}", examples=(Example("{MASTER_NAME}?", "{LANLAN_NAME}!"),)
    )
    filled = character.filled("妹居")
    assert filled.prompt == 'You are 妹居 with {LANLAN_NAME}. {"json": {}}'
    assert filled.examples == (Example("{LANLAN_NAME}?", "妹居!"),)


@pytest.mark.parametrize(
    ("text", "key", "meant", "accepted"),
    [
        ("[sessions]", "sessions", "session", ", ".join(attrs.fields_dict(Configuration))),
        ("[server]\nprot = 1", "server.prot", "port", ", ".join(attrs.fields_dict(Server))),
        ("[session]\nmax_turn = 1", "session.max_turn", "max_turns", ", ".join(attrs.fields_dict(SessionPolicy))),
        ('[agents]\nresult_pul = ""', "agents.result_pul", "result_pull", "session_pub, result_pull, analyze_push"),
        ("[translation]\nchian = []", "translation.chian", "chain", "chain, step_timeout_s"),
        ('[providers.x]\nknd = "chat"', "providers.x.knd", "kind", ", ".join(attrs.fields_dict(Provider))),
        ('[characters.A]\nvoise = ""', "characters.A.voise", "voice", ", ".join(attrs.fields_dict(Character))),
        (
            "[characters.A.session]\nmax_turn = 1",
            "characters.A.session.max_turn",
            "max_turns",
            ", ".join(attrs.fields_dict(SessionPolicy)),
        ),
        (
            '[[characters."A B".examples]]\nuser = ""\ncharcter = ""',
            'characters."A B".examples[0].charcter',
            "character",
            "user, character",
        ),
    ],
)
def test_a_misspelt_key(text: str, key: str, meant: str, accepted: str) -> None:
    assert complaint(text) == f"neko.toml: unknown key {key}; did you mean {meant}?; accepted: {accepted}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('server = "x"', 'server is "x"; accepted: a table'),
        ("characters = 3", "characters is 3; accepted: a table"),
        ("[characters]\nA = 3", "characters.A is 3; accepted: a table"),
        ("[[providers]]", "providers is a list; accepted: a table"),
        ("[server]\nhost = 1", "server.host is 1; accepted: a string that is not empty"),
        ('[server]\nport = "3"', 'server.port is "3"; accepted: a whole number from 0 to 65535 (0 = any free port)'),
        ("[server]\nport = 0x" + "f" * 9_000, "server.port is a very large number; accepted: a whole number"),
        ("[session]\nsilence_s = 0x" + "f" * 9_000, "session.silence_s is a very large number; accepted: a number"),
        ("[server]\nport = true", "server.port is true; accepted: a whole number from 0 to 65535 (0 = any free port)"),
        ("[server]\nport = 3.0", "server.port is 3.0; accepted: a whole number from 0 to 65535 (0 = any free port)"),
        ("[server]\nport = -1", "server.port is -1; accepted: a whole number from 0 to 65535 (0 = any free port)"),
        (
            "[server]\nport = 65536",
            "server.port is 65536; accepted: a whole number from 0 to 65535 (0 = any free port)",
        ),
        ("[server]\nmax_connections = 0", "server.max_connections is 0; accepted: a whole number from 1 to 1000000"),
        ("[server]\ngrace_s = -0.5", "server.grace_s is -0.5; accepted: a number of seconds, 0 or more"),
        ("[server]\ngrace_s = true", "server.grace_s is true; accepted: a number of seconds, 0 or more"),
        ("[server]\ndata_dir = 1979-05-27", 'server.data_dir is "1979-05-27"; accepted: a string'),
        (
            '[server]\naudio_frames = "base46"',
            'server.audio_frames is "base46"; did you mean base64?; accepted: base64, binary',
        ),
        ('[server]\nallowed_origins = "x"', 'server.allowed_origins is "x"; accepted: a list of origins'),
        ("[server]\nallowed_origins = [1]", "server.allowed_origins[0] is 1; accepted: a string"),
        (
            '[server]\nallowed_origins = ["https://a/"]',
            'server.allowed_origins is ["https://a/"]; accepted: a list of origins such as "https://example.org", '
            "without a path",
        ),
        ('[session]\nprepare = "lazy"', 'session.prepare is "lazy"; accepted: eager, due'),
        ("[session]\nsilence_s = 0", "session.silence_s is 0.0; accepted: a number of seconds above 0"),
        ("[session]\nkeep_warm_s = nan", "session.keep_warm_s is NaN; accepted: a number of seconds, 0 or more"),
        ("[session]\nmax_age_s = inf", "session.max_age_s is Infinity; accepted: a number of seconds, 0 or more"),
        ("[session]\nmax_turns = -1", "session.max_turns is -1; accepted: a whole number from 0 to 1000000"),
        (
            '[agents]\nsession_pub = "127.0.0.1:1"',
            'agents.session_pub is "127.0.0.1:1"; accepted: a ZeroMQ address such as "tcp://127.0.0.1:48961"',
        ),
        (
            '[agents]\nresult_pull = "tcp://127.0.0.1:65536"',
            'agents.result_pull is "tcp://127.0.0.1:65536"; accepted: a ZeroMQ address such as "tcp://127.0.0.1:48961"',
        ),
        ('[translation]\nchain = ["lm"]', 'translation.chain[0] is "lm", which is not configured; did you mean llm?'),
        ("[providers.x]", f"providers.x.kind is missing; accepted: {EVERY_KIND}"),
        ("[providers.x]\nkind = 1", f"providers.x.kind is 1; accepted: {EVERY_KIND}"),
        (
            '[providers.x]\nkind = "azure"',
            "providers.x.url is missing (kind azure needs one); accepted: a URL such as wss://NAME.openai.azure.com",
        ),
        (
            '[providers.x]\nkind = "azure"\nurl = "wss://mine.openai.azure.com"',
            "providers.x.model is missing (kind azure needs one); accepted: the name of a deployment",
        ),
        (
            '[providers.x]\nkind = "qwen"\napi = "beta"',
            'providers.x.api is "beta", which kind qwen does not have; accepted: ga',
        ),
        ("[characters.A]\nprompt = ['x']", "characters.A.prompt is a list; accepted: a string"),
        ("[characters.A]\nexamples = [3]", "characters.A.examples[0] is 3; accepted: a table"),
        ("[characters.A]\nexamples = {}", "characters.A.examples is a table; accepted: a list of tables"),
        ("[[characters.A.examples]]\nuser = ''", "characters.A.examples[0].character is missing; accepted: a string"),
        ("[characters.A]\nsession = 1", "characters.A.session is 1; accepted: a table"),
    ],
)
def test_a_wrong_value(text: str, expected: str) -> None:
    assert complaint(text).startswith(f"neko.toml: {expected}")


def test_a_whole_number_is_a_number_of_seconds() -> None:
    assert parse("[server]\ngrace_s = 3", "x").server.grace_s == 3.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '[characters.A]\nprovider = "locl"',
            'characters.A.provider is "locl", which is not configured; did you mean local?; accepted: local',
        ),
        (
            '[characters.A]\ntext_provider = "x"',
            'characters.A.text_provider is "x", which is not configured; accepted: local',
        ),
        (
            '[providers.o]\nkind = "chat"\nurl = "http://h"\n[characters.A]\nprovider = "o"',
            'characters.A.provider is "o", which is of kind chat and cannot speak; accepted: local',
        ),
        (
            '[characters.A]\nvision = "local"',
            'characters.A.vision is "local", which is no provider of kind chat; accepted: none that is there',
        ),
        (
            '[providers.o]\nkind = "chat"\nurl = "http://h"\n[characters.A]\nvision = "oo"',
            'characters.A.vision is "oo", which is no provider of kind chat; did you mean o?; accepted: o',
        ),
        ('[providers.o]\nkind = "chat"', "providers.o.url is missing (kind chat needs one); accepted: a URL such as"),
        (
            '[providers.o]\nkind = "openai"',
            "providers.o.api_key_env is missing (kind openai needs a key); accepted: the name of an environment",
        ),
        (
            '[providers.o]\nkind = "gemini"\ntemperature = 0.5',
            "providers.o.temperature is there, but kind gemini takes none; accepted: a provider of kind local or chat",
        ),
        ("[providers.local]\ntemperature = 3", "providers.local.temperature is 3.0; accepted: a number from 0 (always"),
        (
            '[providers.local]\nkind = "openai"',
            'providers.local.kind is "openai", but this name is the embedded provider\'s; accepted: local',
        ),
        ("[characters.local]", 'characters.local: "local" is the embedded provider\'s name at /v1/realtime; accepted:'),
        ('[characters."a/b"]', 'characters."a/b" is no name for a character; accepted: a name of 1 to 100 characters'),
        (
            '[agents]\nanalyze_push = "tcp://127.0.0.1:48961"',
            'agents.analyze_push is "tcp://127.0.0.1:48961", as agents.session_pub is; accepted: an address of its own',
        ),
        ('[characters.""]', 'characters."" is no name for a character; accepted: a name of 1 to 100 characters'),
    ],
)
def test_what_does_not_fit_together(text: str, expected: str) -> None:
    assert complaint(text).startswith(f"neko.toml: {expected}")


def test_zeromq_may_choose_every_port() -> None:
    agents = parse('[agents]\nsession_pub = "tcp://127.0.0.1:*"\nresult_pull = "tcp://127.0.0.1:*"', "neko.toml").agents
    assert agents.session_pub == agents.result_pull


@pytest.mark.parametrize("kind", ["openai", "qwen", "glm", "step", "gemini"])
def test_a_realtime_provider_is_reached_by_websocket(kind: str) -> None:
    table = f'[providers.x]\nkind = "{kind}"\napi_key_env = "KEY"\n'
    assert parse(table + 'url = "wss://h/v1"', "x").providers["x"].url == "wss://h/v1"
    expected = f'neko.toml: providers.x.url begins with "https"; accepted for kind {kind}: wss://HOST… or ws://HOST…'
    assert complaint(table + 'url = "https://h/v1"') == expected


@pytest.mark.parametrize("kind", ["chat", "local"])
@pytest.mark.parametrize("url", ["ws://h/v1", "http://", "http://[::1/v1", "http://h:99999", "h/v1"])
def test_a_chat_url_is_http(kind: str, url: str) -> None:
    text = f'[providers.x]\nkind = "{kind}"\nurl = "{url}"'
    assert complaint(text).endswith(f"accepted for kind {kind}: http://HOST… or https://HOST…")


def test_a_plain_websocket_of_ones_own_needs_no_key() -> None:
    provider = parse('[providers.sim]\nkind = "openai"\nurl = "ws://127.0.0.1:9000"', "x").providers["sim"]
    assert provider.api_key({}) is None


@pytest.mark.parametrize(
    "text",
    [
        '[providers.x]\nkind = "openai"\napi_key = "sk-12345"',
        '[providers.x]\nkind = "openai"\ntoken = "sk-12345"',
        '[providers.x]\nkind = "openai"\napi_key_env = "sk-12345"',
        '[providers.x]\nkind = "chat"\nurl = "ftp://user:sk-12345@h"',
        '[server]\nauth_token = "sk-12345"',
        '[server]\nauth_token_env = "sk-12345"',
    ],
)
def test_a_written_secret_is_refused_and_not_repeated(text: str) -> None:
    assert "sk-12345" not in complaint(text)


def test_a_written_key_is_answered_with_the_way_to_name_it() -> None:
    hint = "secrets are named, never written: api_key_env takes the name of an environment variable"
    assert hint in complaint('[providers.x]\nkind = "openai"\napi_key = "sk-1"')


def test_the_key_is_looked_up_by_name() -> None:
    provider = Provider(kind=ProviderKind.OPENAI, api_key_env="MY_KEY")
    assert provider.api_key({"MY_KEY": "sk-1"}) == "sk-1"
    for environ in ({}, {"MY_KEY": ""}):
        with pytest.raises(ConfigError, match="MY_KEY is not set"):
            provider.api_key(environ)


def test_broken_toml_names_the_line() -> None:
    assert complaint("[server]\nport = \n").startswith("neko.toml: not valid TOML: ")
    assert "line 2" in complaint("[server]\nport = \n")
    assert complaint("[characters.妹居]").endswith('; a name with such letters needs quotes: "妹居"')
    assert "nested too deeply" in complaint("a = " + "[" * 10_000)
    assert complaint("a = " + "9" * 5_000).startswith("neko.toml: not valid TOML: ")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"# \xe9")
    with pytest.raises(ConfigError, match=r"latin\.toml: not UTF-8 at byte 2"):
        read_configuration(latin)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_configuration(tmp_path)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "neko.toml"
    file.write_text("[server]\nport = 1", encoding="utf-8-sig")
    assert read_configuration(file).server.port == 1


@pytest.mark.slow
def test_the_rooms_of_row_0_import_without_trio() -> None:
    code = "import sys; sys.modules['trio'] = None; import neko.config, neko.protocol, neko.protocol.codec"
    result: subprocess.CompletedProcess[Any] = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert result.returncode == 0, result.stderr
