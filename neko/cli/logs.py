"""Where log events go: to stderr, readable on a terminal or as one JSON object per line."""

from __future__ import annotations

import logging
import sys
from enum import StrEnum
from typing import assert_never

import structlog


class LogStyle(StrEnum):
    TEXT = "text"
    JSON = "json"


def configure_logs(style: LogStyle, level: int) -> None:
    """Sends the events of every room, and the records of the libraries, to stderr. Called once, by the command."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_rendered(style)))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # Only our own rooms may be more talkative: libraries log addresses and payloads that we would not.
    logging.getLogger("neko").setLevel(level)
    # What a command says of its own work is why the person waits.
    logging.getLogger("neko.cli").setLevel(min(level, logging.INFO))


def as_json_line(event: str, **fields: object) -> str:
    """An error as the log would write it, for what is said when no log is open any more."""
    stamped = structlog.processors.TimeStamper(fmt="iso", utc=True)(None, "error", {"event": event, **fields})
    return str(structlog.processors.JSONRenderer()(None, "error", {**stamped, "level": "error"}))


def _rendered(style: LogStyle) -> list[structlog.typing.Processor]:
    first = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    match style:
        case LogStyle.TEXT:
            # The default prints the local variables of every frame, and with them what people said.
            plain = structlog.dev.plain_traceback
            return [first, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
        case LogStyle.JSON:
            return [first, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        case _:
            assert_never(style)
