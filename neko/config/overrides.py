"""What was changed over the API, laid over what the file says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen
from cattrs.errors import BaseValidationError

from neko.config.check import check_character
from neko.config.converter import CONVERTER
from neko.config.explain import explain
from neko.config.model import Character, Configuration

POLICY = "session"  # the one key of a character that is a table, overridden key by key


@frozen
class Override:
    """A changed key: its value, and what the file said when it was changed."""

    value: Any
    file: Any


Overrides = Mapping[str, Mapping[str, Override]]
"""By character and by key; keys of the session policy are written `session.max_turns`."""


def flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """A character's table with the session policy's keys beside the others."""
    policy = table.get(POLICY)
    if not isinstance(policy, dict):
        return dict(table)
    own = {key: value for key, value in table.items() if key != POLICY}
    return own | {f"{POLICY}.{key}": value for key, value in policy.items()}


def nested(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `flat`."""
    inside, own = f"{POLICY}.", {key: value for key, value in keys.items() if not key.startswith(f"{POLICY}.")}
    policy = {key.removeprefix(inside): value for key, value in keys.items() if key.startswith(inside)}
    return {POLICY: policy} | own


def keys_of_file(character: Character) -> dict[str, Any]:
    return flat(CONVERTER.unstructure(character))


def overlaid(configuration: Configuration, name: str, keys: Mapping[str, Any], where: str) -> Character:
    """A character of the file with some keys changed, held to the same rules; ConfigError names what breaks them."""
    table = nested(keys_of_file(configuration.characters[name]) | dict(keys))
    try:
        character = CONVERTER.structure(table, Character)
    except BaseValidationError as error:
        raise explain(error, where, ("characters", name)) from error
    check_character(name, character, configuration, where)
    return character


def overlay(configuration: Configuration, overrides: Overrides, where: str) -> Configuration:
    """The configuration in force: the file's, with each character's overrides."""
    characters = {
        name: overlaid(configuration, name, {key: o.value for key, o in overrides.get(name, {}).items()}, where)
        for name in configuration.characters
    }
    return evolve(configuration, characters=characters)


def differences(file: Character, wanted: Character) -> dict[str, Override]:
    """The overrides that lead from one to the other."""
    before, after = keys_of_file(file), keys_of_file(wanted)
    return {key: Override(value, before[key]) for key, value in after.items() if value != before[key]}


def still_valid(overrides: Overrides, configuration: Configuration) -> dict[str, dict[str, Override]]:
    """Without the overrides whose key has changed in the file since. A character that left the file keeps its own."""
    kept = {
        name: {key: o for key, o in keys.items() if _unchanged(configuration.characters.get(name), key, o)}
        for name, keys in overrides.items()
    }
    return {name: keys for name, keys in kept.items() if keys}


def _unchanged(character: Character | None, key: str, override: Override) -> bool:
    if character is None:
        return True
    says = keys_of_file(character)
    # A key that no character has is not dropped here: reading it reports it.
    return key not in says or bool(says[key] == override.file)
