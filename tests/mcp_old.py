"""An MCP server of the protocol of 2025, without any package: one tool at first, another once it has been used."""

from __future__ import annotations

import json
import sys
from typing import Any

TOOLS = [{"name": "first", "description": "Teaches it.", "inputSchema": {"type": "object"}}]


def answer(method: str) -> dict[str, Any] | None:
    match method:
        case "initialize":
            information = {"name": "old", "version": "1"}
            capabilities = {"tools": {"listChanged": True}}
            return {"protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": information}
        case "tools/list":
            return {"tools": TOOLS}
        case "tools/call":
            TOOLS.append({"name": "second", "inputSchema": {"type": "object"}})
            say({"method": "notifications/tools/list_changed"})
            return {"content": [{"type": "text", "text": "learned"}]}
        case _:
            return None


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


for line in sys.stdin:
    request = json.loads(line)
    if "id" in request:
        result = answer(request["method"])
        unknown = {"error": {"code": -32601, "message": "no such method"}}
        say({"id": request["id"], **(unknown if result is None else {"result": result})})
