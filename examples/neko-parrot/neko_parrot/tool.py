"""Dice, for characters that play. A module is a tool when it has these three names."""

from __future__ import annotations

import random
from typing import Any

description = "Throws dice and tells what each one shows."
parameters = {
    "type": "object",
    "properties": {"dice": {"type": "integer", "minimum": 1, "maximum": 6, "description": "how many; left out: 1"}},
    "additionalProperties": False,
}


async def use(arguments: dict[str, Any]) -> list[int]:
    return [random.randint(1, 6) for _ in range(arguments.get("dice", 1))]
