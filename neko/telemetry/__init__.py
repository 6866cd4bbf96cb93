"""What the process says about itself: log events with fields."""

from __future__ import annotations

import structlog


def get_logger(room: str) -> structlog.stdlib.BoundLogger:
    """A logger whose events name the room they come from: `log.info("session.started", character=…)`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(room=room)
    return logger
