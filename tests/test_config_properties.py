"""Whatever a file says, it is a configuration or a ConfigError."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neko.config import ConfigError, Configuration, parse
from neko.config.overrides import flat, nested
from neko.config.read import from_table

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = (Path(__file__).parent.parent / "examples" / "neko.toml").read_text(encoding="utf-8")
TABLE = tomllib.loads(TEXT)

plain = st.one_of(
    st.text(max_size=8), st.integers(), st.floats(), st.booleans(), st.datetimes(), st.dates(), st.times()
)
keys = st.one_of(st.sampled_from(["server", "session", "providers", "characters", "local", "kind", "url"]), st.text())
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3))
tables = st.dictionaries(keys, values, max_size=4)


def paths(table: dict[str, Any]) -> list[tuple[str, ...]]:
    inside = [(key, *path) for key, value in table.items() if isinstance(value, dict) for path in paths(value)]
    return [(key,) for key in table] + inside


def configuration_or_error(read: Callable[[], Configuration]) -> Configuration | ConfigError:
    try:
        return read()
    except ConfigError as error:
        return error


@pytest.mark.slow
@pytest.mark.timeless
@given(tables)
def test_any_table(table: dict[str, Any]) -> None:
    before = copy.deepcopy(table)
    outcome = configuration_or_error(lambda: from_table(table, "neko.toml"))
    assert repr(table) == repr(before)
    if isinstance(outcome, ConfigError):
        assert str(outcome).startswith("neko.toml: ")


@pytest.mark.slow
@pytest.mark.timeless
@given(st.sampled_from(paths(TABLE)), values)
def test_a_valid_file_with_one_value_exchanged(path: tuple[str, ...], value: Any) -> None:
    table = copy.deepcopy(TABLE)
    inner = table
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    outcome = configuration_or_error(lambda: from_table(table, "neko.toml"))
    if isinstance(outcome, Configuration):
        assert all(c.provider in outcome.providers for c in outcome.characters.values())
    else:
        assert path[0] in str(outcome) or "characters" in str(outcome)


@pytest.mark.slow
@pytest.mark.timeless
@given(st.integers(0, len(TEXT)), st.integers(0, 20), st.text(max_size=5))
def test_a_valid_text_with_a_slip_of_the_hand(at: int, length: int, typed: str) -> None:
    outcome = configuration_or_error(lambda: parse(TEXT[:at] + typed + TEXT[at + length :], "neko.toml"))
    assert isinstance(outcome, ConfigError) or outcome.characters


@given(st.dictionaries(st.sampled_from(["voice", "tts", "prompt"]), plain), st.dictionaries(st.text("abc_"), plain))
def test_flat_and_nested_are_inverse(own: dict[str, Any], policy: dict[str, Any]) -> None:
    table = {**own, "session": policy}
    assert repr(sorted(nested(flat(table)).items())) == repr(sorted(table.items()))
