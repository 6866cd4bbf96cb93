"""Calls of tools in the pieces in which servers stream them."""

from __future__ import annotations

from typing import Any

import pytest

from neko.realtime.chat_calls import CallDeltas


def read(*deltas: dict[str, Any]) -> list[tuple[str, str]]:
    calls = CallDeltas()
    for delta in deltas:
        calls.push(delta)
    return [(call.name, call.arguments) for call in calls.calls()]


def piece(name: str | None = None, arguments: Any = "", **rest: Any) -> dict[str, Any]:
    function = {"arguments": arguments} | ({} if name is None else {"name": name})
    return {"tool_calls": [{"function": function, **rest}]}


@pytest.mark.parametrize(
    ("deltas", "calls"),
    [
        # OpenAI: interleaved, by number
        (
            [
                piece("a", index=0, id="1"),
                piece("b", index=1, id="2"),
                piece(None, '{"x":', index=0),
                piece(None, "{}", index=1),
                piece(None, "1}", index=0),
            ],
            [("a", '{"x":1}'), ("b", "{}")],
        ),
        # Ollama: whole, and all of them number 0
        ([piece("a", "{}", index=0, id="1"), piece("a", '{"x":1}', index=0, id="2")], [("a", "{}"), ("a", '{"x":1}')]),
        # without numbers and ids
        ([piece("a", "{}"), piece("b", "{}")], [("a", "{}"), ("b", "{}")]),
        # arguments as an object, or none at all
        ([piece("a", {"x": 1}), piece("b", None)], [("a", '{"x":1}'), ("b", "{}")]),
        # the name again with each piece
        ([piece("a", '{"x"', index=0), piece("a", ":1}", index=0)], [("a", '{"x":1}')]),
        # nothing that can be used
        ([{"tool_calls": None}, {"tool_calls": "?"}, {"tool_calls": [None, {"function": "?"}]}, {}], []),
    ],
)
def test_calls_are_put_together(deltas: list[dict[str, Any]], calls: list[tuple[str, str]]) -> None:
    assert read(*deltas) == calls


def test_a_call_without_an_id_gets_one_of_its_own() -> None:
    calls = CallDeltas()
    calls.push(piece("a", "{}"))
    calls.push(piece("b", "{}"))
    one, two = calls.calls()
    assert one.id
    assert two.id
    assert one.id != two.id
