"""What models call the tools of an MCP server, and how what it says reads as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from mcp_types import CallToolResult, ContentBlock

LONGEST = 64  # OpenAI takes no longer name, and nothing but letters, digits, _ and -


def called(server: str, tool: str) -> str:
    """The server's name in the configuration stands first: two servers may both have a `search`."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", f"{server}_{tool}")[:LONGEST]


def text_of(result: CallToolResult) -> str:
    """Its text; what it says in a structure only, as JSON. Pictures and sound are named: an answer is words."""
    said = [_text(block) for block in result.content]
    if not said and result.structured_content is not None:
        return orjson.dumps(result.structured_content).decode()
    return "\n".join(said)


def _text(block: ContentBlock) -> str:
    match block.type:
        case "text":
            return block.text
        case "resource":
            return getattr(block.resource, "text", None) or f"[{block.resource.uri}]"
        case "resource_link":
            return f"[{block.uri}]"
        case "image" | "audio":
            return f"[{block.type}, {block.mime_type}]"
