"""The three files of a N.E.K.O. installation, as they are on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from attrs import frozen

from neko.config.errors import ConfigError, shown
from neko.config.read import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

CHARACTERS, CORE, PROVIDERS = "characters.json", "core_config.json", "api_providers.json"
# Where the files are under what people think of as the installation: the program's folder, or that of its data.
FOLDERS = ("", "config", "N.E.K.O", "N.E.K.O/config")


@frozen
class Installation:
    """What stands in the files; {} for one that is not there. Vendors' URLs stand in the program's own folder."""

    characters: Mapping[str, Any]
    core: Mapping[str, Any]
    providers: Mapping[str, Any]
    core_file: Path | None


def read_installation(folder: Path) -> Installation:
    """Raises ConfigError, in one sentence, when there are no characters, or a file cannot be read."""
    found = {name: next(_places(folder, name), None) for name in (CHARACTERS, CORE, PROVIDERS)}
    characters = found[CHARACTERS]
    if characters is None:
        looked = ", ".join(str(folder / each) for each in FOLDERS)
        raise ConfigError(str(folder), f"no {CHARACTERS} is there; looked in {looked}")
    return Installation(
        characters=_read(characters),
        core=_read(found[CORE]),
        providers=_read(found[PROVIDERS]),
        core_file=found[CORE],
    )


def table(holder: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A table inside another one; {} when it is missing or something else."""
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def words(holder: Mapping[str, Any], key: str) -> str:
    """A text inside a table; "" when it is missing or something else."""
    value = holder.get(key)
    return value.strip() if isinstance(value, str) else ""


def _places(folder: Path, name: str) -> Iterator[Path]:
    return (path for each in FOLDERS if (path := folder / each / name).is_file())


def _read(path: Path | None) -> Mapping[str, Any]:
    if path is None:
        return {}
    try:
        content = orjson.loads(read_text(path))
    except orjson.JSONDecodeError as error:
        raise ConfigError(str(path), f"not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(str(path), f"is {shown(content)}; accepted: a JSON object")
    return content
