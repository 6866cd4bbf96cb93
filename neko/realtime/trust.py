"""Whose certificates count. Reading them takes 20 ms (November 2026), in which no sound would leave, so they are read
once in the life of the process, and in a thread."""

from __future__ import annotations

import ssl
from functools import cache

import httpx
import trio


async def for_websockets() -> ssl.SSLContext:
    """What this machine trusts."""
    return await trio.to_thread.run_sync(_of_this_machine)


async def for_http(url: str) -> ssl.SSLContext:
    """What httpx trusts by itself; for a URL that needs no certificates a context that accepts none."""
    if url.startswith("https:"):
        return await trio.to_thread.run_sync(_of_httpx)
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@cache
def _of_this_machine() -> ssl.SSLContext:
    return ssl.create_default_context()


@cache
def _of_httpx() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
