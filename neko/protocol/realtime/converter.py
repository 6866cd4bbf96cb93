"""The converter of the Realtime protocol: strict about types, indifferent to unknown fields."""

from __future__ import annotations

from binascii import Error as Base64Error
from collections.abc import Mapping
from enum import Enum
from typing import Any, get_args, get_origin

import pybase64
from attrs import has
from cattrs import BaseValidationError, ClassValidationError, IterableValidationError
from cattrs.gen import make_dict_unstructure_fn
from cattrs.preconf.orjson import OrjsonConverter, make_converter

from neko.protocol.realtime.content import ContentPart, ContentType, ItemStatus, Role
from neko.protocol.realtime.errors import InvalidRequest
from neko.protocol.realtime.session import Modality, Session

EDITABLE = ("type", "instructions", "output_modalities", "audio")


def _build() -> OrjsonConverter:
    converter = make_converter()
    for exact in (str, int, bool):
        converter.register_structure_hook(exact, _exactly)
    for enum in (Role, ContentType, ItemStatus, Modality):
        # A StrEnum is a str to the hook above, which would let none through.
        converter.register_structure_hook(enum, lambda value, cls: cls(value))
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(bytes, _pcm)
    converter.register_unstructure_hook(bytes, pybase64.b64encode_as_string)
    omitting = make_dict_unstructure_fn(ContentPart, converter, _cattrs_omit_if_default=True)
    converter.register_unstructure_hook(ContentPart, omitting)
    return converter


def structure(raw: Mapping[str, Any], cls: type[Any], root: str = "") -> Any:
    """The value in `raw`.

    Raises:
        InvalidRequest: names the first thing that is wrong, and what is accepted there.
    """
    try:
        return _converter.structure(raw, cls)
    except BaseValidationError as error:
        raise _describe(error, root) from None


def unstructure(value: Any) -> dict[str, Any]:
    raw: dict[str, Any] = _converter.unstructure(value)
    return raw


def change(session: Session, changes: Mapping[str, Any]) -> Session:
    """The session with the changes of a `session.update`; objects are merged, anything else is replaced.

    Raises:
        InvalidRequest: a change has a value that the session cannot take; nothing is changed then.
    """
    wanted = {key: value for key, value in changes.items() if key in EDITABLE}
    changed: Session = structure(_merge(unstructure(session), wanted), Session, "session")
    return changed


def _merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        before = merged.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(before, value) if both else value  # type: ignore[arg-type]
    return merged


def _describe(error: BaseException, path: str, wanted: Any = None) -> InvalidRequest:
    match error:
        case ClassValidationError():
            fields, others = error.group_exceptions()
            if not fields:
                return _describe(others[0], path)
            cause, at = fields[0]
            return _describe(cause, f"{path}.{at.name}".removeprefix("."), at.type)
        case IterableValidationError():
            wrong, element = error.group_exceptions()[0][0]
            return _describe(wrong, f"{path}.{element.index}", element.type)
        case KeyError():
            return InvalidRequest("missing_required_parameter", f"Missing required parameter: '{path}'.", path)
        case _:
            return InvalidRequest("invalid_value", f"Invalid value for '{path}'{_accepted(wanted, error)}.", path)


def _accepted(wanted: Any, error: BaseException) -> str:
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return f"; supported values are: {', '.join(repr(str(member.value)) for member in wanted)}"
    if has(wanted) or get_origin(wanted) is dict:
        return ": expected an object"
    choices = [repr(choice) for choice in get_args(wanted) if isinstance(choice, str | int)]
    return f"; supported values are: {', '.join(choices)}" if choices else f": {error}"


def _exactly(value: Any, cls: type) -> Any:
    # bool is an int to Python, and never one on the wire.
    if type(value) is not cls:
        raise TypeError(f"expected {_NAMES[cls]}")
    return value


_NAMES: dict[type, str] = {str: "a string", int: "a whole number", bool: "true or false"}


def _number(value: Any, _: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError("expected a number")
    return float(value)


def _pcm(value: Any, _: Any) -> bytes:
    try:
        return pybase64.b64decode(value, validate=True)
    except (TypeError, ValueError, Base64Error):
        raise ValueError("expected base64 of PCM16 little-endian mono") from None


_converter = _build()
