"""A tool that the model asked for: used beside the conversation, answered through the inbox."""

from __future__ import annotations

import trio

from neko.nurseries.inbox import Inbox, ToolDone
from neko.nurseries.ports import Ports
from neko.nurseries.slot import Slot
from neko.realtime.errors import only_error
from neko.realtime.session import ToolCalled
from neko.telemetry import get_logger

log = get_logger("tooling")

TOOL_WITHIN = 60.0  # seconds; somebody waits for the answer, and no session is renewed meanwhile
LATE = f"The tool gave no answer within {TOOL_WITHIN:.0f} seconds."
NO_SUCH_TOOL = "There is no such tool."
BROKEN = "The tool failed: {}"


async def use_tool(ports: Ports, inbox: Inbox, slot: Slot, call: ToolCalled) -> None:
    """Whatever becomes of it, the model gets an answer: the session that asked, or the one in its place."""
    inbox.post(ToolDone(slot, call, await _answer(ports, call)))


async def _answer(ports: Ports, call: ToolCalled) -> str:
    tool = ports.tools.get(call.name)
    if tool is None:
        return NO_SUCH_TOOL
    output = LATE
    # A group may hold a cancel beside the error, which has to go on.
    try:
        with trio.move_on_after(TOOL_WITHIN):
            output = await tool(call.arguments)
    except* Exception as errors:  # anything that somebody's tool may raise: the conversation goes on
        log.exception("tool.failed", tool=call.name)
        output = BROKEN.format(only_error(errors))
    return output
