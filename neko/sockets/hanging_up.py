"""How to leave an HTTP response in the middle."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import trio

HANG_UP_WITHIN = 1.0  # seconds; closing a loopback or TLS connection takes a few milliseconds


async def hang_up(response: httpx.Response, rest: AsyncIterator[Any]) -> None:
    """Closes the response that `rest` iterates over, whether it has been read to its end or not.

    httpx reads through five async generators, one in the other. Left in the middle they would wait for the garbage
    collector, so they are run to their end, which comes at once when the connection is closed. A cancel does not hinder
    it.
    """
    with trio.move_on_after(HANG_UP_WITHIN, shield=True):
        await response.aclose()
        with suppress(httpx.RequestError, httpx.StreamError):
            async for _ in rest:
                pass
