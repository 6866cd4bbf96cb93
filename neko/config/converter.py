"""The one converter of this room: strict about types and about keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn

from neko.config.errors import Refused
from neko.config.kinds import kinds
from neko.config.model import AudioFrames, Generation, Kind, Prepare, ProviderKind, ToolKind

if TYPE_CHECKING:
    from enum import StrEnum

Hook = Callable[[Any, Any], Any]


def build_converter() -> Converter:
    """Reads tables, lists and plain values into the classes of `neko.config.model`, and writes them JSON-ready.

    A value of another type raises `Refused` inside cattrs' validation groups; nothing is coerced but int to float.
    """
    converter = Converter(unstruct_collection_overrides={tuple: list})
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(int, _only(int, _same))
    converter.register_structure_hook(bool, _only(bool, _same))
    converter.register_structure_hook(float, _number)
    for enum in (AudioFrames, Generation, Prepare, ToolKind):
        # A StrEnum is a str to the hook above, which would let any string through.
        converter.register_structure_hook(enum, _member)
    converter.register_structure_hook_func(lambda cls: cls == Kind, _kind)
    converter.register_structure_hook_factory(attrs.has, lambda cls: _only(dict, _class_hook(cls, converter)))
    converter.register_structure_hook_factory(_is_mapping, lambda cls: _only(dict, _mapping_hook(cls, converter)))
    converter.register_structure_hook_factory(_is_tuple, lambda cls: _only(list, _tuple_hook(cls, converter)))
    return converter


def _is_mapping(cls: Any) -> bool:
    return get_origin(cls) is Mapping


def _is_tuple(cls: Any) -> bool:
    return get_origin(cls) is tuple


def _class_hook(cls: type[Any], converter: Converter) -> Hook:
    return make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True)


def _mapping_hook(cls: Any, converter: Converter) -> Hook:
    as_dict: Any = dict[get_args(cls)]  # type: ignore[misc]
    return lambda value, _: converter.structure(value, as_dict)


def _tuple_hook(cls: Any, converter: Converter) -> Hook:
    as_list: Any = list[get_args(cls)[0]]  # type: ignore[misc]
    return lambda value, _: tuple(converter.structure(value, as_list))


def _only(wanted: type, hook: Hook) -> Hook:
    def structure(value: Any, cls: Any) -> Any:
        # Not isinstance: bool is an int to Python, and never one in a file.
        if type(value) is not wanted:
            raise Refused(value)
        return hook(value, cls)

    return structure


def _same(value: Any, _: Any) -> Any:
    return value


def _text(value: Any, _: Any) -> str:
    if type(value) is not str:
        raise Refused(value)
    try:
        value.encode()
    except UnicodeEncodeError:  # JSON can carry half a surrogate pair, which no file and no socket takes
        raise Refused(value) from None
    return value


def _number(value: Any, _: Any) -> float:
    if type(value) not in (int, float):
        raise Refused(value)
    try:
        return float(value)
    except OverflowError:
        raise Refused(value) from None


def _member(value: Any, enum: type[StrEnum]) -> StrEnum:
    try:
        return enum(value)
    except ValueError:
        raise Refused(value) from None


def _kind(value: Any, _: Any) -> Kind:
    if value in kinds():
        return next((kind for kind in ProviderKind if kind == value), value)
    raise Refused(value)


CONVERTER = build_converter()
