"""From TOML to a `Configuration`, or to one sentence about what is wrong."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from cattrs.errors import BaseValidationError

from neko.config.check import check
from neko.config.converter import CONVERTER
from neko.config.errors import ConfigError
from neko.config.explain import explain
from neko.config.model import Configuration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BUILT_IN = "built-in configuration"


def read_configuration(path: Path) -> Configuration:
    """The configuration in a file; ConfigError also when it cannot be read."""
    return parse(read_text(path), str(path))


def read_text(path: Path) -> str:
    """What stands in a file; ConfigError when it cannot be read."""
    try:
        # Windows editors put a byte order mark in front, which TOML does not know.
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), f"not UTF-8 at byte {error.start}") from error


def parse(text: str, where: str) -> Configuration:
    """The configuration in a TOML text; `where` names it in a ConfigError, the only thing this raises."""
    try:
        table = tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(where, f"not valid TOML: {error}{_quotes_missing(text)}") from error
    except RecursionError as error:
        raise ConfigError(where, "not valid TOML: nested too deeply") from error
    return from_table(table, where)


def from_table(table: Mapping[str, Any], where: str) -> Configuration:
    """As `parse`, of TOML that has been read already."""
    try:
        configuration = CONVERTER.structure(_complete(table), Configuration)
    except BaseValidationError as error:
        raise explain(error, where) from error
    check(configuration, where)
    return configuration


def built_in() -> Configuration:
    """What holds without any file."""
    return from_table({}, BUILT_IN)


def _quotes_missing(text: str) -> str:
    """The one slip that TOML's own message does not explain: Chinese names are usual here, and no bare keys there."""
    name = re.search(r"""^\s*\[+[^"'\]\n]*?([^\s.\["'\]]*[^\x00-\x7f"'\]]+)""", text, re.MULTILINE)
    return f'; a name with such letters needs quotes: "{name[1]}"' if name else ""


@cache
def _built_in_table() -> dict[str, Any]:
    return tomllib.loads(resources.files("neko.config").joinpath("built_in.toml").read_text(encoding="utf-8"))


def _complete(table: Mapping[str, Any]) -> dict[str, Any]:
    """A file's table over the built-in one, with `[session]` under each character's own."""
    built_in = _built_in_table()
    characters = table.get("characters", {})
    if characters == {}:
        characters = built_in["characters"]
    if isinstance(characters, dict):
        session = {"session": table.get("session", {})}
        characters = {name: _over(session, character) for name, character in characters.items()}
    providers = _over(built_in["providers"], table.get("providers", {}))
    return {**table, "providers": providers, "characters": characters}


def _over(base: Any, table: Any) -> Any:
    """Tables laid over each other, key by key; anything else replaces what is below."""
    if not (isinstance(base, dict) and isinstance(table, dict)):
        return table
    return {**base, **{key: _over(base.get(key), value) for key, value in table.items()}}
