"""What can be wrong with a configuration, and the words for it."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_INT = 64  # bits; Python refuses to write out far longer ones, which TOML can carry in hexadecimal
SHOWN = 60  # characters of a wrong value that a message repeats; enough to find it, short enough for one line


class ConfigError(Exception):
    """A configuration cannot be used. `str()` is one sentence for its writer, without secrets.

    `where` is the file (or "request", "environment"), `problem` says which key, what was found and what is accepted.
    """

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where
        self.problem = problem


class StorageError(ConfigError):
    """The data folder cannot take what is to be kept; nobody's request is wrong. `where` is the file."""

    def __init__(self, where: str, reason: str | None) -> None:
        super().__init__(where, f"cannot be written: {reason}; name another folder in server.data_dir or $NEKO_DATA")


class UnknownCharacter(LookupError):
    """No character of the configuration is called `name`."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no character is called {name!r}")
        self.name = name


class Refused(ValueError):
    """A single value is not what its key takes. `attribute` is "" where the caller knows it."""

    def __init__(self, found: object, attribute: str = "") -> None:
        super().__init__("refused")
        self.found = found
        self.attribute = attribute


def shown(value: object) -> str:
    """A value as its writer would recognise it."""
    match value:
        case dict():
            return "a table"
        case list():
            return "a list"
        case int() if value.bit_length() > LONGEST_INT:
            return "a very large number"
        case _:
            text = json.dumps(value, ensure_ascii=False, default=str)
            # A message goes through sockets and logs, where half a surrogate pair cannot.
            text = text.encode(errors="backslashreplace").decode()
            return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def suggestion(found: object, accepted: Iterable[str]) -> str:
    """`; did you mean …?` when something accepted is close to what was found, else ""."""
    close = get_close_matches(found, list(accepted), n=1) if isinstance(found, str) else []
    return f"; did you mean {close[0]}?" if close else ""
