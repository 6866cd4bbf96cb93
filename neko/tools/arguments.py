"""A model's arguments, judged by the tool's own schema before anybody acts on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema
import orjson
from jsonschema.exceptions import SchemaError, best_match
from jsonschema.validators import validator_for
from referencing import Registry

from neko.tools.tool import ToolError

SHOWN = 300  # characters of what is wrong: a model that sent a book need not be sent it back


class Schema:
    """A JSON schema of an object. Raises `SchemaError` when it is none."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        kind = validator_for(schema, default=jsonschema.Draft202012Validator)
        kind.check_schema(schema)
        # A registry of our own holds nothing: a schema that points elsewhere is not fetched.
        self._validator = kind(schema, registry=Registry())

    def arguments(self, text: str) -> dict[str, Any]:
        """The arguments in a model's JSON. Raises `ToolError`, which says what to send instead."""
        arguments = _parsed(text)
        wrong = best_match(self._validator.iter_errors(arguments))
        if wrong is not None:
            raise ToolError(f"The arguments do not fit: {wrong.message[:SHOWN]} (at {wrong.json_path}). Try again.")
        return arguments


def _parsed(text: str) -> dict[str, Any]:
    try:
        arguments = orjson.loads(text or "{}")  # of a tool without parameters some models say nothing at all
    except orjson.JSONDecodeError as error:
        raise ToolError(f"The arguments are not JSON ({error}). Try again.") from None
    if not isinstance(arguments, dict):
        raise ToolError("The arguments are no JSON object. Try again.")
    return arguments


__all__ = ["Schema", "SchemaError"]
