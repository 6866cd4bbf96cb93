"""What a vendor's server says for one sentence, and how it misbehaves."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen


@frozen
class Hear:
    """The next message of the client is awaited, and recorded."""


Step = str | bytes | Hear
"""Text and binary messages of a WebSocket; over HTTP, pieces of the body."""


@frozen(kw_only=True)
class Script:
    """One answer. Everything is off or immediate unless it is asked for; `…_after` counts what the server has said.

    `forever`: the last step is repeated until the client leaves.
    """

    steps: tuple[Step, ...]
    content_type: str = "application/octet-stream"
    refuse_status: int | None = None
    refusal: str = ""
    first_after_s: float = 0
    piece_after_s: float = 0
    cut_after: int | None = None
    """Resets TCP."""
    stall_after: int | None = None
    """Says nothing more and keeps the connection open."""
    forever: bool = False


@frozen
class VoiceRequest:
    """One request or handshake, header names in lower case; `messages`: the body, or each JSON message."""

    method: str
    target: str
    headers: dict[str, str] = field(repr=False)
    messages: list[Any] = field(factory=list)


def say(*steps: Step, **how: Any) -> Script:
    """A script of these steps."""
    return Script(steps=steps, **how)
