"""A line to the client that takes its time."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from neko.nurseries import connection
from neko.sockets import TrioSocket


def slow_down(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """A line that takes so long for each message."""
    send = connection._send

    async def slowly(*message: Any) -> None:
        await trio.sleep(seconds)
        await send(*message)

    monkeypatch.setattr(connection, "_send", slowly)
    monkeypatch.setattr(TrioSocket, "send_now", lambda *_: False)
