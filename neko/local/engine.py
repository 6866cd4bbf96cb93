"""The language model in a process of its own: started, watched and ended by one `async with`.

The model keeps all cores busy, and while it loads it holds Python's interpreter lock for seconds: so it lives beside
the process that moves sound, at lower priority, and is spoken to over loopback with the OpenAI chat API.
"""

from __future__ import annotations

import importlib.util
import platform
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import field, frozen

from neko.local.child import Child
from neko.local.errors import ModelMissing, UnsupportedProcessor
from neko.local.llama_process import Settings
from neko.local.processor import cpuinfo, lacks_avx2

ENGINE = (sys.executable, "-m", "neko.local.llama_process")
GOODBYE_S = 2.0  # llama.cpp has nothing to save; whatever still runs then is killed


@frozen
class ChatEndpoint:
    """Where an OpenAI-compatible chat API answers."""

    url: str
    """Ends in `/v1`."""
    api_key: str = field(repr=False)
    model: str


@asynccontextmanager
async def language_model_process(gguf: Path, *, command: Sequence[str] = ENGINE) -> AsyncIterator[ChatEndpoint]:
    """A running language model that has loaded `gguf` and answers on loopback; the process ends with the context.

    Raises `ModelMissing` without the engine's package, `UnsupportedProcessor` where it cannot run, and `EngineFailed`
    when the process ends before it is ready. When it ends later, `EngineFailed` cancels the body of the context and
    comes out of it in an exception group, as out of any nursery. On cancel, also while the model loads, the process is
    asked to end, killed after `GOODBYE_S`, and always waited for. If this process dies, the pipe to the child closes
    and the child ends itself, at the latest when it has loaded the model.
    """
    require_engine()
    settings = Settings(gguf=str(gguf), model=gguf.stem, api_key=secrets.token_urlsafe(32))
    async with _started(command) as child:
        url = await child.handshake(settings)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child.watch)
            yield ChatEndpoint(url=url, api_key=settings.api_key, model=settings.model)
            nursery.cancel_scope.cancel()


def require_engine() -> None:
    """Raise `ModelMissing` or `UnsupportedProcessor` when the engine cannot run here; starts nothing."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise ModelMissing("the language model engine (xllamacpp)")
    if lacks_avx2(platform.machine(), cpuinfo()):
        raise UnsupportedProcessor


@asynccontextmanager
async def _started(command: Sequence[str]) -> AsyncIterator[Child]:
    # The pipe to stdin ties the child's life to ours. Linux's parent death signal would not do: it fires at the end of
    # the thread that forked, and trio forks in a worker thread.
    pipe = subprocess.PIPE
    process = await trio.lowlevel.open_process(command, stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with process.stdin, process.stdout, process.stderr:
            yield Child(process, process.stdin, process.stdout, process.stderr)
    finally:
        for end in (process.terminate, process.kill):
            end()
            with trio.move_on_after(GOODBYE_S, shield=True):
                await process.wait()
