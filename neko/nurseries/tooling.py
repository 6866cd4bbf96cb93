"""One use of a tool: whatever becomes of it, the model gets an answer."""

from __future__ import annotations

from enum import StrEnum

import trio

from neko.realtime.errors import only_error
from neko.realtime.session import ToolCalled
from neko.telemetry import get_logger
from neko.telemetry.metrics import Metrics
from neko.tools.tool import ToolError, Usable

log = get_logger("tooling")

MOST_SAID = 16_000  # characters of an answer: 4,000 tokens of English, as much as the smallest contexts hold in all
LATE = "The tool gave no answer within {:.0f} seconds."
BROKEN = "The tool failed: {}"
CUT = "{} [the answer has {:,} characters; this is its beginning]"


class Outcome(StrEnum):
    ANSWERED = "answered"
    FAILED = "failed"
    LATE = "late"
    CANCELLED = "cancelled"


async def use_tool(tool: Usable, call: ToolCalled, metrics: Metrics) -> str:
    """What the model is told of this call. A cancel ends the tool."""
    began, outcome, output = trio.current_time(), Outcome.CANCELLED, ""
    try:
        outcome, output = await _use(tool, call)
    finally:
        took_s = trio.current_time() - began
        metrics.tool_used(tool.source, outcome, took_s)
        log.info("tool.used", tool=call.name, outcome=outcome, took_s=round(took_s, 3))
    return output if len(output) <= MOST_SAID else CUT.format(output[:MOST_SAID], len(output))


async def _use(tool: Usable, call: ToolCalled) -> tuple[Outcome, str]:
    outcome, output = Outcome.LATE, LATE.format(tool.within_s)
    # A group may hold a cancel beside the error, which has to go on.
    try:
        with trio.move_on_after(tool.within_s):
            output = await tool.use(call.arguments)
            outcome = Outcome.ANSWERED
    except* ToolError as errors:
        outcome, output = Outcome.FAILED, str(only_error(errors))
    except* Exception as errors:  # anything that somebody's tool may raise: the conversation goes on
        log.exception("tool.failed", tool=call.name)
        outcome, output = Outcome.FAILED, BROKEN.format(only_error(errors))
    return outcome, output
