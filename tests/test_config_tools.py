"""What a `neko.toml` says of tools, and what its writer is told when it says it wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest

from neko.config import ConfigError, ConfigManager, OverrideStore, ToolKind, ToolSource, parse

CLOCK = '[tools.clock]\nkind = "entry_point"\n'
FILES = '[tools.files]\nkind = "mcp"\ncommand = "npx"\n'


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "neko.toml")
    return str(caught.value).removeprefix("neko.toml: ")


def test_a_character_uses_the_tools_that_it_names() -> None:
    configuration = parse(
        f'{CLOCK}{FILES}args = ["-y"]\ndurable = true\n[characters.Mimi]\ntools = ["files"]', "neko.toml"
    )
    assert configuration.tools["clock"] == ToolSource(kind=ToolKind.ENTRY_POINT)
    assert configuration.characters["Mimi"].tools == ("files",)
    files = ToolSource(kind=ToolKind.MCP, command="npx", args=("-y",), durable=True)
    assert configuration.tools["files"] == files


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f'{CLOCK}[characters.A]\ntools = ["clok"]',
            'characters.A.tools[0] is "clok", which is not configured; did you mean clock?; accepted: clock',
        ),
        ('[tools.clock]\nkind = "mpc"', 'tools.clock.kind is "mpc"; did you mean mcp?; accepted: entry_point, mcp'),
        ("[tools.clock]", "tools.clock.kind is missing; accepted: entry_point, mcp"),
        (
            '[tools.clock]\nkind = "entry_point"\nurl = "http://h/mcp"',
            "tools.clock.url is there, but kind entry_point takes none; accepted: no such key, or the other kind",
        ),
        (
            '[tools.files]\nkind = "mcp"',
            "tools.files.command and tools.files.url are missing; accepted: one of the two",
        ),
        (
            f'{FILES}url = "http://h/mcp"',
            "tools.files.command and tools.files.url are both there; accepted: one of the two",
        ),
        (
            '[tools.files]\nkind = "mcp"\nurl = "ws://h/mcp"',
            'tools.files.url begins with "ws"; accepted for kind mcp: http://HOST… or https://HOST…',
        ),
        (
            '[tools."my files"]\nkind = "mcp"\ncommand = "npx"',
            'tools."my files" is no name for a tool; accepted: 1 to 32 letters (A to Z), digits, _ and -',
        ),
        (
            f'{FILES}env = ["TOKEN=secret"]',
            "tools.files.env is something else (not shown: it may be a secret); "
            'accepted: a list of names of environment variables, such as "GITHUB_TOKEN"',
        ),
        (f"{FILES}timeout_s = 0", "tools.files.timeout_s is 0.0; accepted: a number of seconds above 0"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(text: str, said: str) -> None:
    assert complaint(text) == said


def test_a_plug_in_has_to_be_installed() -> None:
    said = complaint('[tools.weather]\nkind = "entry_point"')
    assert said.startswith('tools.weather.entry_point is "weather", which is not installed; accepted: clock')


def test_a_changed_tool_touches_the_characters_that_use_it(tmp_path: Path) -> None:
    characters = '[characters.A]\ntools = ["files"]\n[characters.B]\ntools = ["clock"]'
    config = ConfigManager(parse(f"{CLOCK}{FILES}{characters}", "neko.toml"), OverrideStore.in_folder(tmp_path))
    change = config.replace(parse(f'{CLOCK}{FILES}args = ["-y"]\n{characters}', "neko.toml"))
    assert (change.touched, change.restart) == (frozenset({"A"}), ())


def test_secrets_are_read_when_they_are_needed() -> None:
    source = parse(f'{FILES}env = ["A_TOKEN"]', "neko.toml").tools["files"]
    assert source.environment({"A_TOKEN": "x", "OTHER": "y"}) == {"A_TOKEN": "x"}
    with pytest.raises(ConfigError, match="A_TOKEN is not set"):
        source.environment({})
