"""A connection of a voice ends by itself: nobody else's suffers."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

import trio
from trio.testing import wait_all_tasks_blocked

from neko.sockets import Socket
from neko.tts.lines import Lines, open_lines


@asynccontextmanager
async def buggy(who: str, url: str, headers: Mapping[str, str]) -> AsyncIterator[Socket]:
    """A `Dial` whose goodbye goes wrong in a way that nobody has thought of."""
    yield cast("Socket", None)
    raise KeyError(url)


def speak(lines: Lines) -> str:
    with lines.dialled("a voice", "ws://voice.example", {}):
        return "spoken"


async def test_a_bug_in_a_goodbye_costs_one_connection() -> None:
    async with open_lines(buggy, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) as lines:
        for _ in range(2):
            assert await trio.to_thread.run_sync(speak, lines) == "spoken"
            await wait_all_tasks_blocked()
