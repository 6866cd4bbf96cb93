"""The ids that a Realtime server gives to what it makes."""

from __future__ import annotations

from typing import Literal
from uuid import uuid4

Kind = Literal["event", "sess", "conv", "item", "resp"]


def new_id(kind: Kind) -> str:
    """An id that was never given before. OpenAI's own have 21 characters after the kind, and so have these."""
    return f"{kind}_{uuid4().hex[:21]}"
