"""Streams in memory keep the contract that Trio writes down for all streams."""

from __future__ import annotations

import trio
import trio.testing
from trio.testing import check_two_way_stream, wait_all_tasks_blocked

from neko.testing.streams import stream_pair


async def test_they_behave_as_streams_do() -> None:
    async def pair() -> tuple[trio.abc.Stream, trio.abc.Stream]:
        return stream_pair()

    await check_two_way_stream(pair, None)


async def test_what_waits_when_a_stream_is_closed_arrives(autojump_clock: trio.testing.MockClock) -> None:
    here, there = stream_pair()
    here.send_stream.free = trio.sleep_forever
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.send_all, b"goodbye")
        with trio.move_on_after(1) as waiting:
            await there.receive_some()
        assert waiting.cancelled_caught
        await here.aclose()
        assert await there.receive_some() == b"goodbye"
        assert await there.receive_some() == b""
        nursery.cancel_scope.cancel()


async def test_it_arrives_as_soon_as_it_may() -> None:
    here, there = stream_pair()
    free = trio.Event()
    here.send_stream.free = free.wait
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.send_all, b"hello")
        await wait_all_tasks_blocked()
        free.set()
        assert await there.receive_some() == b"hello"
