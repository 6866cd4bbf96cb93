"""A small MCP server, for tests: over stdio, or with a port over streamable HTTP on loopback."""

from __future__ import annotations

import os
import sys

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver import Context

server = MCPServer("demo")


@server.tool()
async def add(a: int, b: int) -> str:
    """Adds two numbers."""
    return str(a + b)


@server.tool()
async def sleep(seconds: float) -> str:
    """Takes its time."""
    await anyio.sleep(seconds)
    return "awake"


@server.tool()
async def fail() -> str:
    """Never works."""
    raise ValueError("out of tea")


@server.tool()
async def pid() -> str:
    """Which process this is, and what it was given."""
    return f"{os.getpid()} {os.environ.get('DEMO_TOKEN', '-')}"


@server.tool()
async def learn(context: Context) -> str:
    """Has it know another tool from now on."""

    async def multiply(a: int, b: int) -> str:
        return str(a * b)

    server.add_tool(multiply, name="multiply", description="Multiplies two numbers.")
    await context.notify_tools_changed()
    return "learned"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run(transport="streamable-http", port=int(sys.argv[1]), json_response=True)
    else:
        server.run()
