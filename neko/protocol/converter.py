"""The one converter: strict about types, indifferent to unknown fields."""

from __future__ import annotations

from enum import Enum
from typing import Any, get_origin

import orjson
from cattrs import ClassValidationError
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from cattrs.preconf.orjson import OrjsonConverter, make_converter
from cattrs.strategies import configure_tagged_union

from neko.protocol.client import (
    ACTIONS,
    AudioFraming,
    InputMode,
    InputType,
    SwapWhen,
    VoicePlayEnd,
    VoicePlayStart,
)
from neko.protocol.errors import StatusCode, WireError
from neko.protocol.server import TYPES, CharacterSwitched, Pong, ReplyText, SessionSwapped, Status

# The names of existing clients stop here.
RENAMED: dict[type[Any], dict[str, str]] = {
    VoicePlayStart: {"turn_id": "turnId"},
    VoicePlayEnd: {"turn_id": "turnId"},
    ReplyText: {"is_new": "isNewMessage"},
    SessionSwapped: {"old": "from", "new": "to"},
    CharacterSwitched: {"new_character": "new_catgirl", "old_character": "old_catgirl"},
}


def build_converter() -> OrjsonConverter:
    """A converter for `ClientFrame` (tag `action`) and `ServerMessage` (tag `type`)."""
    converter = strict_converter(InputMode, InputType, AudioFraming, SwapWhen, StatusCode)
    for cls, names in RENAMED.items():
        renamed = {name: override(rename=wire) for name, wire in names.items()}
        converter.register_structure_hook(cls, make_dict_structure_fn(cls, converter, **renamed))  # type: ignore[arg-type]
        converter.register_unstructure_hook(cls, make_dict_unstructure_fn(cls, converter, **renamed))  # type: ignore[arg-type]
    pong = make_dict_unstructure_fn(Pong, converter, _cattrs_omit_if_default=True)
    converter.register_unstructure_hook(Pong, pong)
    converter.register_unstructure_hook(Status, _write_status)
    converter.register_structure_hook(Status, _read_status)
    _tag(converter, tuple(ACTIONS.values()), "action", {cls: name for name, cls in ACTIONS.items()})
    _tag(converter, tuple(TYPES), "type", TYPES)
    return converter


def strict_converter(*enums: type[Enum]) -> OrjsonConverter:
    """A converter that takes nothing for something else; `enums` are those that it is to read."""
    converter = make_converter()
    converter.register_structure_hook(str, _exactly(str))
    converter.register_structure_hook(int, _exactly(int))
    converter.register_structure_hook(bool, _exactly(bool))
    converter.register_structure_hook(float, _number)
    for enum in enums:
        # A StrEnum is a str to the hook above, which would let any string through.
        converter.register_structure_hook(enum, _member)
    return converter


def union_of(classes: tuple[type[Any], ...]) -> Any:
    union: Any = classes[0]
    for cls in classes[1:]:
        union = union | cls
    return union


def describe(error: ClassValidationError) -> WireError:
    """The first thing that is wrong with a frame, as which field and what is accepted."""
    cause = error.exceptions[0]
    note = next((n for n in getattr(cause, "__notes__", ()) if hasattr(n, "name")), None)
    if note is None:
        return WireError(StatusCode.INVALID_VALUE, str(cause))
    name = RENAMED.get(error.cl, {}).get(note.name, note.name)
    if isinstance(cause, KeyError):
        return WireError(StatusCode.INVALID_VALUE, f"{name} is missing; accepted: {accepted(note.type)}")
    code = StatusCode.INVALID_INPUT_TYPE if name == "input_type" else StatusCode.INVALID_VALUE
    return WireError(code, f"{name} is wrong; accepted: {accepted(note.type)}")


def accepted(wanted: Any) -> str:
    """What a field takes, in words."""
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return ", ".join(str(member.value) for member in wanted)
    if get_origin(wanted) is dict:
        return "an object"
    names = {"str": "a string", "int": "a whole number", "float": "a number", "bool": "true or false"}
    names["Any"] = "audio, a text or a picture, as input_type says"
    parts = getattr(wanted, "__args__", (wanted,))
    return " or ".join(_name(part, names) for part in parts if part is not type(None))


def _name(part: Any, names: dict[str, str]) -> str:
    if isinstance(part, type) and issubclass(part, Enum):
        return accepted(part)
    return names.get(getattr(part, "__name__", ""), str(part))


def _tag(converter: OrjsonConverter, classes: tuple[type[Any], ...], tag: str, names: dict[Any, str]) -> None:
    configure_tagged_union(union_of(classes), converter, tag_name=tag, tag_generator=lambda cls: names[cls])


def _exactly(wanted: type) -> Any:
    def structure(value: Any, _: Any) -> Any:
        # bool is an int to Python, and never one on the wire.
        if type(value) is not wanted:
            raise TypeError(f"expected {wanted.__name__}")
        return value

    return structure


def _member(value: Any, enum: type[Enum]) -> Enum:
    return enum(value)


def _number(value: Any, _: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError("expected a number")
    return float(value)


def _write_status(status: Status) -> dict[str, Any]:
    message = orjson.dumps({"code": status.code, "details": status.details}).decode()
    return {"message": message, "code": status.code}


def _read_status(raw: dict[str, Any], _: Any) -> Status:
    message = orjson.loads(raw["message"])
    return Status(code=StatusCode(message["code"]), details=message["details"])
