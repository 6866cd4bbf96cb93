"""A client may vanish, and the server may be stopped, at any moment: no task, engine or socket is left at work."""

from __future__ import annotations

import gc

import pytest
import trio
from trio.testing import MockClock, lockstep_stream_pair, memory_stream_pair
from trio_websocket import ConnectionClosed

from tests.local_house import Cast, Client, Streams, conversation

# The scenario takes 3.6 s: warming to 0.2, speech to 0.8, suspicion, certainty, an answer, a barge-in from 2.6 on.
MOMENTS = [
    0.0,
    0.05,
    0.1,
    0.3,
    0.5,
    0.81,
    1.0,
    1.05,
    1.1,
    1.15,
    1.2,
    1.25,
    1.3,
    1.35,
    1.4,
    1.5,
    1.6,
    2.0,
    2.7,
    3.0,
    3.3,
]


async def talk(client: Client) -> None:
    try:
        await client.send("session.update", session={"instructions": "You are Yui."})
        await trio.sleep(0.2)
        await client.speak(600)
        await client.pause(1800)
        await client.speak(600)
        await client.pause(400)
    except (ConnectionClosed, trio.ClosedResourceError):
        pass


async def listen(client: Client) -> None:
    try:
        while True:
            await client.receive()
    except ConnectionClosed:
        pass


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_client_vanishes(moment: float, autojump_clock: MockClock) -> None:
    cast = Cast()
    cast.model.reply_pieces = ["A long story, ", "and longer. "] * 20
    async with conversation(cast) as client, trio.open_nursery() as nursery:
        nursery.start_soon(talk, client)
        nursery.start_soon(listen, client)
        await trio.sleep(moment)
        left = trio.current_time()
        await client.stream.aclose()
        nursery.cancel_scope.cancel()
    assert trio.current_time() - left < 0.05
    assert cast.at_work == 0


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_client_that_stopped_reading_vanishes(moment: float, autojump_clock: MockClock) -> None:
    cast = Cast()
    cast.model.reply_pieces = ["A long story, ", "and longer. "] * 20
    async with conversation(cast, lockstep_stream_pair) as client, trio.open_nursery() as nursery:
        nursery.start_soon(talk, client)
        await trio.sleep(moment)
        await client.stream.aclose()
    assert cast.at_work == 0


@pytest.mark.parametrize("streams", [memory_stream_pair, lockstep_stream_pair])
@pytest.mark.parametrize("moment", MOMENTS)
async def test_the_server_is_stopped(moment: float, streams: Streams, autojump_clock: MockClock) -> None:
    cast = Cast()
    with trio.move_on_after(moment + 0.001) as stopped:
        async with conversation(cast, streams) as client, trio.open_nursery() as nursery:
            nursery.start_soon(listen, client)
            await talk(client)
            await trio.sleep_forever()
    assert stopped.cancelled_caught
    assert cast.at_work == 0


async def test_the_detector_is_given_back_with_the_conversation(autojump_clock: MockClock) -> None:
    """At once, not when the garbage is collected: the next conversation waits for it."""
    cast = Cast()
    gc.disable()
    try:
        async with conversation(cast) as client, trio.open_nursery() as nursery:
            nursery.start_soon(listen, client)
            await talk(client)
            nursery.cancel_scope.cancel()
        assert [detector() for detector in cast.detectors] == [None]
    finally:
        gc.enable()
