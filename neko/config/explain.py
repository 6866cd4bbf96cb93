"""From cattrs' groups of errors to the one sentence a person can act on."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints

import attrs
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError

from neko.config.accept import Accept
from neko.config.errors import ConfigError, Refused, shown, suggestion
from neko.config.kinds import kinds
from neko.config.model import Kind

SECRET = re.compile(r"key|token|secret|passw", re.IGNORECASE)
Path = tuple[str | int, ...]


@attrs.frozen
class Fault:
    """The first thing that is wrong: where, why, and what would be right."""

    path: Path
    cause: Exception
    accepted: str
    choices: tuple[str, ...] = ()
    secret: bool = False


def explain(error: Exception, where: str, path: Path = ()) -> ConfigError:
    """The first fault in an error of `CONVERTER.structure`; `path` is where the structured value stands in the file."""
    fault = _first(Fault(path, error, "a table"))
    match fault.cause:
        case ForbiddenExtraKeysError():
            return ConfigError(where, _unknown_key(fault.path, fault.cause))
        case KeyError():
            return ConfigError(where, f"{dotted(fault.path)} is missing; accepted: {fault.accepted}")
        case Refused():
            return ConfigError(where, _wrong_value(fault, fault.cause))
        case _:
            raise fault.cause


def dotted(path: Path) -> str:
    """A key as it is written in the file: `characters."小天".session.max_turns`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{_quoted(part)}" for part in path)
    return "".join(parts).removeprefix(".")


def keys_of(cls: type[Any]) -> list[str]:
    return [attribute.name for attribute in attrs.fields(cls)]


def _quoted(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else shown(key)


def _first(fault: Fault) -> Fault:
    match fault.cause:
        case ClassValidationError() as group:
            # A misspelt key comes first: it is the reason for a missing one.
            cause = min(group.exceptions, key=lambda e: not isinstance(e, ForbiddenExtraKeysError))
            name = _attribute(cause)
            return _first(_in_class(fault.path, group.cl, name, cause) if name else attrs.evolve(fault, cause=cause))
        case IterableValidationError() as group:
            cause, note = group.group_exceptions()[0][0]
            return _first(_of_type((*fault.path, note.index), note.type, cause))
        case _:
            return fault


def _attribute(cause: Exception) -> str:
    """The field that an error of a class belongs to: validators say it, hooks are noted by cattrs."""
    if isinstance(cause, Refused) and cause.attribute:
        return cause.attribute
    return next((note.name for note in getattr(cause, "__notes__", ()) if hasattr(note, "name")), "")


def _in_class(path: Path, cls: type[Any], name: str, cause: Exception) -> Fault:
    validator = attrs.fields_dict(cls)[name].validator
    fault = _of_type((*path, name), get_type_hints(cls)[name], cause)
    if isinstance(validator, Accept):
        return attrs.evolve(fault, accepted=validator.words, secret=validator.secret)
    return fault


def _of_type(path: Path, wanted: Any, cause: Exception) -> Fault:
    if wanted == Kind:
        return Fault(path, cause, ", ".join(kinds()), kinds())
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        choices = tuple(str(member.value) for member in wanted)
        return Fault(path, cause, ", ".join(choices), choices)
    return Fault(path, cause, _words(wanted))


def _words(wanted: Any) -> str:
    if get_origin(wanted) is tuple:
        return f"a list of {'tables' if attrs.has(get_args(wanted)[0]) else 'strings'}"
    if get_origin(wanted) in (Mapping, dict) or attrs.has(wanted):
        return "a table"
    if isinstance(wanted, types.UnionType):
        return _words(get_args(wanted)[0])
    return {Any: "a value", str: "a string", int: "a whole number", float: "a number", bool: "true or false"}[wanted]


def _unknown_key(path: Path, error: ForbiddenExtraKeysError) -> str:
    key, accepted = min(error.extra_fields), keys_of(error.cl)
    named = [name for name in accepted if name.endswith("_env")]
    if named and SECRET.search(key):
        hint = f"; secrets are named, never written: {named[0]} takes the name of an environment variable"
    else:
        hint = suggestion(key, accepted)
    return f"unknown key {dotted((*path, key))}{hint}; accepted: {', '.join(accepted)}"


def _wrong_value(fault: Fault, cause: Refused) -> str:
    found = "something else (not shown: it may be a secret)" if fault.secret else shown(cause.found)
    hint = suggestion(cause.found, fault.choices)
    return f"{dotted(fault.path) or 'the content'} is {found}{hint}; accepted: {fault.accepted}"
