"""What the keys take beyond their type: attrs validators that can say it in words."""

from __future__ import annotations

import re
from math import isfinite
from typing import TYPE_CHECKING, Any

from attrs import Attribute, frozen

from neko.config.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_S = 1e9  # thirty years: as good as for ever, and finite in every reader of JSON
MOST = 1_000_000  # more turns or connections than one process will ever see


@frozen
class Accept:
    """A validator: refuses what fails `test`. `secret` keeps what was found out of messages."""

    words: str
    test: Callable[[Any], bool]
    secret: bool = False

    def __call__(self, instance: object, attribute: Attribute[Any], value: Any) -> None:  # noqa: ARG002 - attrs' shape
        if not self.test(value):
            raise Refused(value, attribute.name)


def matching(words: str, pattern: str, *, secret: bool = False) -> Accept:
    return Accept(words, lambda value: re.fullmatch(pattern, value) is not None, secret)


def _is_json(value: Any) -> bool:
    match value:
        case dict():
            return all(map(_is_json, value.values()))
        case list():
            return all(map(_is_json, value))
        case float():
            return isfinite(value)
        case int():
            return value.bit_length() < 64  # what readers of JSON agree on
        case _:
            return isinstance(value, str)


PORT = Accept("a whole number from 0 to 65535 (0 = any free port)", lambda port: 0 <= port <= 65_535)
SECONDS = Accept("a number of seconds, 0 or more", lambda seconds: 0 <= seconds <= LONGEST_S)
SOME_SECONDS = Accept("a number of seconds above 0", lambda seconds: 0 < seconds <= LONGEST_S)
LIMIT_SECONDS = Accept(
    "a number of seconds above 0, or no such key", lambda seconds: seconds is None or 0 < seconds <= LONGEST_S
)
COUNT = Accept(f"a whole number from 0 to {MOST}", lambda count: 0 <= count <= MOST)
LEVEL = Accept("a whole number from 0 (off) to 4 (most)", lambda level: 0 <= level <= 4)
SOME = Accept(f"a whole number from 1 to {MOST}", lambda count: 1 <= count <= MOST)
CONTEXT = Accept(
    f"a whole number from 1024 to {100 * MOST}, or no such key",
    lambda count: count is None or 1_024 <= count <= 100 * MOST,
)
TEMPERATURE = Accept(
    "a number from 0 (always the likeliest word) to 2, or no such key", lambda value: value is None or 0 <= value <= 2
)
TEXT = Accept("a string that is not empty", lambda text: bool(text.strip()))
# ZeroMQ itself takes 99999 for 34463, without a word.
_PORT = r"(\*|[0-5]?\d{1,4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"
ADDRESS = matching('a ZeroMQ address such as "tcp://127.0.0.1:48961"', rf"tcp://\S+:{_PORT}|(ipc|inproc)://\S+")
ORIGINS = Accept(
    'a list of origins such as "https://example.org", without a path',
    lambda origins: all(re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#\s]+", origin) for origin in origins),
)
_VARIABLE = r"[A-Za-z_]\w*"
VARIABLES = Accept(
    'a list of names of environment variables, such as "GITHUB_TOKEN"',
    lambda names: all(re.fullmatch(_VARIABLE, name) for name in names),
    secret=True,
)
OPTIONS = Accept("a table of what JSON can hold: strings, numbers, booleans, lists and tables", _is_json)
# People paste the key itself here, so what was found is never repeated.
VARIABLE = matching('the name of an environment variable, such as "OPENAI_API_KEY"', rf"({_VARIABLE})?", secret=True)
