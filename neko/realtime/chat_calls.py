"""The tools that a streamed chat completion calls, put together from its pieces.

Source: OpenAI's API reference, chat completion chunks: `delta.tool_calls` with `index`, `id`, `function.name` and
fragments of `function.arguments`. What others do differently, as of November 2026: Ollama sends each call whole and
numbers all of them 0 in some versions; Google's endpoint sends no `index`; llama.cpp and vLLM repeat the name or leave
out the id; some send arguments as an object, or none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import orjson
from attrs import define, field, frozen


@frozen
class Call:
    """The model asks for a tool; `arguments` are JSON."""

    id: str
    name: str
    arguments: str = field(repr=False)


@define
class _Growing:
    index: object
    id: str
    name: str = ""
    arguments: str = ""

    @property
    def whole(self) -> bool:
        """Nothing more can belong to it."""
        try:
            orjson.loads(self.arguments)
        except orjson.JSONDecodeError:
            return False
        return bool(self.name)


@define
class CallDeltas:
    """Those of one reply."""

    _calls: list[_Growing] = field(factory=list, init=False)

    def push(self, delta: Mapping[str, Any]) -> None:
        match delta:
            case {"tool_calls": [*raws]}:
                for raw in raws:
                    self._add(raw)

    def calls(self) -> tuple[Call, ...]:
        """All of them, once the reply is over."""
        named = [each for each in self._calls if each.name]
        return tuple(Call(each.id or f"call_{uuid4().hex[:12]}", each.name, each.arguments or "{}") for each in named)

    def _add(self, raw: object) -> None:
        match raw:
            case {"function": dict(function), **rest}:
                call_id, name = str(rest.get("id") or ""), str(function.get("name") or "")
                growing = self._growing(rest.get("index"), call_id, name)
                growing.id, growing.name = growing.id or call_id, growing.name or name
                growing.arguments += _text(function.get("arguments"))

    def _growing(self, index: object, call_id: str, name: str) -> _Growing:
        """The call that a piece belongs to: the last with its number, unless id or name say that another one begins."""
        same = [each for each in self._calls if each.index == index]
        last = same[-1] if same else None
        if last is None or (call_id and last.id and call_id != last.id) or (name and last.whole):
            last = _Growing(index, call_id)
            self._calls.append(last)
        return last


def _text(arguments: object) -> str:
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return orjson.dumps(arguments).decode()
