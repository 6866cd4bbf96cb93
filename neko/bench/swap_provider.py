"""The provider of the swap benchmark, in a process of its own: `python -m neko.bench.swap_provider`."""

from __future__ import annotations

import gc
import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import attrs
import click
import orjson
import trio

from neko.bench.swap_count import Hearing, committed
from neko.testing import Behaviour, Provider, ProviderSession, open_provider
from neko.testing.tagged import BLOCK_MS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HEARS_HZ = 24_000
LEFT_WITHIN_S = 3.0  # for servers to close what they had opened, when their clients are gone
RECORD, DROP = b"record", b"drop"


async def serve(behaviour: Behaviour) -> None:
    """Says where it listens, then obeys the lines on its standard input; ends with them.

    `drop N`: the first session that hears block N is reset. `record`: all that was heard, as one line of JSON.
    """
    async with open_provider(behaviour) as provider, trio.open_nursery() as nursery:
        click.echo(f"ready: talk at {provider.url}")
        async for line in _lines():
            match line.split():
                case [verb, number] if verb == DROP:
                    nursery.start_soon(_drop, provider, int(number))
                case [verb] if verb == RECORD:
                    with trio.move_on_after(LEFT_WITHIN_S):
                        await provider.sockets(0)
                    hearings = [_hearing(session, behaviour) for session in provider.sessions]
                    click.echo(orjson.dumps([attrs.asdict(hearing) for hearing in hearings]))
        nursery.cancel_scope.cancel()


async def _lines() -> AsyncIterator[bytes]:
    rest = b""
    async for data in trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line


async def _drop(provider: Provider, block: int) -> None:
    async with trio.open_nursery() as listening:
        for session in provider.sessions:
            if session.open:
                listening.start_soon(_drop_at, session, block, listening.cancel_scope)


async def _drop_at(session: ProviderSession, block: int, others: trio.CancelScope) -> None:
    await session.heard(block)
    # Before the reset: the session that takes over hears this block too, and must live.
    others.cancel()
    with trio.CancelScope(shield=True, deadline=trio.current_time() + LEFT_WITHIN_S):
        await session.drop()


def _hearing(session: ProviderSession, behaviour: Behaviour) -> Hearing:
    clock = time.perf_counter() - trio.current_time()  # Trio's own begins anywhere
    return Hearing(
        model=session.handshake.query.get("model", ""),
        open=session.open,
        blocks=tuple(session.tags),
        utterances=tuple(committed(session.audio, HEARS_HZ, behaviour.silence_ms or 0)),
        # One reply for each, in turn; nobody interrupts them here.
        answered=-(-len(session.spoke) * BLOCK_MS // behaviour.response_ms),
        spoke=tuple(session.spoke),
        left_at=tuple(at + clock for at in session.left_at),
    )


if __name__ == "__main__":
    # All that it hears is kept until it is asked for, and is in no circles: to look through it for garbage took up to a
    # tenth of a second in the middle of a reply.
    gc.disable()
    trio.run(partial(serve, Behaviour(**orjson.loads(sys.argv[1]))))
