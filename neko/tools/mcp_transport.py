"""The way to an MCP server: a program that is started and ended here, or a URL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Self

import httpx2
import trio
from attrs import define
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from neko.config.model import ToolSource

# No limit for an answer: each call has a deadline of its own, and a stream of notifications may be silent for hours.
TIMEOUTS = httpx2.Timeout(10.0, read=None)


@asynccontextmanager
async def transport(source: ToolSource, environ: Mapping[str, str], on_end: Callable[[], None]) -> AsyncIterator[Any]:
    """The two streams that the `mcp` package talks through. A program is ended, with all that it has started, when the
    context is left; one that ends before that is told by `on_end`.

    Raises OSError when it cannot be started, `ConfigError` when a variable is not set.
    """
    if source.url:
        key = source.api_key(environ)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # In a thread: it reads the certificates. trust_env=False: a proxy in the environment is not something that
        # the user configured for neko.
        make = partial(httpx2.AsyncClient, headers=headers, timeout=TIMEOUTS, trust_env=False)
        async with (
            await trio.to_thread.run_sync(make) as http,
            streamable_http_client(source.url, http_client=http) as (
                read,
                write,
            ),
        ):
            yield read, write
    else:
        program = StdioServerParameters(command=source.command, args=[*source.args], env=source.environment(environ))
        # What it has to say to a person goes where our own log goes; a process without a terminal has no such place.
        errlog: Any = sys.__stderr__ or subprocess.DEVNULL
        async with stdio_client(program, errlog=errlog) as (read, write):
            yield _NoticesEnd(read, on_end), write


@define
class _NoticesEnd:
    """A stream that tells when it is over: the package keeps that to itself until somebody calls."""

    _stream: Any
    _on_end: Callable[[], None]

    async def receive(self) -> Any:
        return await self._stream.receive()

    def __aiter__(self) -> _NoticesEnd:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._stream.__anext__()
        except StopAsyncIteration:
            self._on_end()
            raise

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> bool | None:
        done: bool | None = await self._stream.__aexit__(*error)  # noqa: ASYNC102 - it hands on what it was given
        return done
