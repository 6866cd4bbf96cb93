"""The stream that gives what was read already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import open_stream_to_socket_listener, wait_all_tasks_blocked

from neko.web.replay import AnsweredFirst, Replayed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def ends() -> AsyncIterator[tuple[trio.SocketStream, trio.SocketStream]]:
    """A client's and a server's end of one connection."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener, await open_stream_to_socket_listener(listener) as client, await listener.accept() as server:
        yield client, server


async def test_what_was_read_comes_first_in_pieces_as_asked_then_what_comes(
    ends: tuple[trio.SocketStream, trio.SocketStream],
) -> None:
    client, server = ends
    await client.send_all(b"new")
    replayed = Replayed(server, b"seen")
    assert [await replayed.receive_some(3) for _ in range(3)] == [b"see", b"n", b"new"]


async def test_nothing_follows_the_head_before_its_answer(
    ends: tuple[trio.SocketStream, trio.SocketStream],
) -> None:
    _, server = ends
    stream = AnsweredFirst(server, b"head", b"early frame")
    assert await stream.receive_some() == b"head"
    heard: list[bytes] = []

    async def listen() -> None:
        heard.append(bytes(await stream.receive_some()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await wait_all_tasks_blocked()
        assert heard == []
        await stream.send_all(b"101")
    assert heard == [b"early frame"]
