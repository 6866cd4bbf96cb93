"""The tool that comes with neko: what time it is. A `PlugIn`, as others write theirs."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from neko.tools.tool import ToolError

description = "Tells the date and the time of day, where the person is or elsewhere."
parameters = {
    "type": "object",
    "properties": {"zone": {"type": "string", "description": "An IANA time zone such as Asia/Tokyo; left out: here"}},
    "additionalProperties": False,
}


async def use(arguments: dict[str, Any]) -> str:
    zone = arguments.get("zone")
    try:
        now = datetime.now(ZoneInfo(zone)) if zone else datetime.now().astimezone()
    except (KeyError, ValueError, OSError):  # no such zone, or no such name for one
        raise ToolError(f"There is no time zone {zone!r}; send an IANA name such as Asia/Tokyo.") from None
    return now.strftime("%A, %d %B %Y, %H:%M (%Z)")
