"""The port itself: what comes over it that is no request, and an address that cannot be had."""

from __future__ import annotations

import socket
import struct
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from trio.testing import wait_all_tasks_blocked

from neko.web.head import MAX_HEAD
from neko.web.listener import HEAD_WITHIN, CannotListen, open_listeners
from neko.web.replay import READ_WITHIN
from tests.web_house import LOOPBACK, Web, ask, fake_house, open_web, read_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

MORE_THAN_KERNELS_KEEP = 30_000_000  # bytes; Linux buffers up to 10 MB of a loopback connection
TLS_HELLO = bytes.fromhex("16030100f1010000ed0303") + bytes(230)


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with open_web(fake_house()) as web:
        yield web


async def still_serves(web: Web) -> bool:
    async with await web.tcp() as stream:
        return (await ask(stream, "/health")).status == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x00\x01\x02garbage\r\n\r\n", 400),
        (TLS_HELLO, 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"x" * MAX_HEAD, 431),
        (b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"x" * 60_000 + b"\r\n\r\n", 431),
        (b"GET /ws/Yui HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", 400),
        (
            b"GET /ws/Yui HTTP/1.1\r\nhost: x\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 8\r\n\r\n",
            426,
        ),
        (b"GET /ws/Yui HTTP/1.1\r\nhost: \xff\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", 400),
        (b"POST /ws/Yui HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", 400),
    ],
)
async def test_what_is_no_request_gets_one_answer_and_harms_nobody(web: Web, sent: bytes, status: int) -> None:
    async with await web.tcp() as stream:
        await stream.send_all(sent)
        answer = await read_all(stream)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert answer.count(b"HTTP/1.1") == 1
    assert await still_serves(web)


async def test_a_head_that_comes_byte_by_byte_is_read(web: Web) -> None:
    async with await web.tcp() as stream:
        for byte in b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n":
            await stream.send_all(bytes([byte]))
        assert (await read_all(stream)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("together", [True, False])
async def test_an_address_in_plain_utf_8_is_read(web: Web, together: bool) -> None:
    request = "GET /api/characters/小天/history?名=京都 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode()
    async with await web.tcp() as stream:
        for part in [request] if together else [bytes([byte]) for byte in request]:
            await stream.send_all(part)
        answer = await read_all(stream)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert "the parameter 名 is not known here".encode() in answer


async def test_a_head_that_never_ends_is_cut_off_in_time(autojump_clock: MockClock) -> None:
    async with open_web(fake_house()) as web, await web.tcp() as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nhost:")
        began = autojump_clock.current_time()
        answer = await read_all(stream)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert HEAD_WITHIN <= autojump_clock.current_time() - began < HEAD_WITHIN + 1


async def test_a_connection_that_is_reset_in_its_head_harms_nobody(web: Web) -> None:
    stream = await web.tcp()
    await stream.send_all(b"GET / HT")
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await stream.aclose()
    assert await still_serves(web)


async def test_a_client_that_never_reads_its_answer_does_not_keep_the_web_open(autojump_clock: MockClock) -> None:
    house = fake_house()
    house.config.overridden["Yui"] = {"prompt": "x" * MORE_THAN_KERNELS_KEEP}
    began = autojump_clock.current_time()
    async with AsyncExitStack() as outlives_the_web:
        async with open_web(house) as web:
            stream = await outlives_the_web.enter_async_context(await web.tcp())
            await stream.send_all(b"GET /api/characters/Yui HTTP/1.1\r\nhost: x\r\n\r\n")
            assert await stream.receive_some(1) == b"H"
            await wait_all_tasks_blocked()  # the server, in its send
        assert autojump_clock.current_time() - began == pytest.approx(READ_WITHIN)


async def test_a_taken_port_is_one_clear_sentence() -> None:
    (first,) = await open_listeners(LOOPBACK, 0)
    port = first.socket.getsockname()[1]
    with pytest.raises(CannotListen, match=rf"^127\.0\.0\.1:{port} is taken by another program.*--port$"):
        await open_listeners(LOOPBACK, port)
    await first.aclose()


async def test_a_host_that_is_not_this_machine_is_one_clear_sentence() -> None:
    with pytest.raises(CannotListen, match=r"^cannot listen on 192\.0\.2\.1:0: "):
        await open_listeners("192.0.2.1", 0)
