"""The fault proxy: what each fault does to a client and to the server behind it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import trio
from attrs import define, field

from neko.testing import Behaviour, Ended, FaultProxy, Faults, Party, Way, open_provider, open_proxy
from neko.testing.pipe import GARBAGE
from tests.sim_client import SimClient, talking_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from neko.testing import Provider

SOON = 5  # seconds within which what must happen happens on a busy machine
NOT_YET = 0.05  # seconds in which what must not happen would have happened


@define(eq=False)
class Echo:
    """A server that sends back what it gets, and remembers how each connection ended."""

    port: int = 0
    got: bytes = b""
    ends: list[str] = field(factory=list)
    over: trio.Event = field(factory=trio.Event)

    async def serve(self, stream: trio.SocketStream) -> None:
        try:
            async for data in stream:
                self.got += data
                await stream.send_all(data)
            self.ends.append("eof")
        except trio.BrokenResourceError:
            self.ends.append("reset")
        self.over.set()


@asynccontextmanager
async def echo_server() -> AsyncIterator[Echo]:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    echo = Echo(listeners[0].socket.getsockname()[1])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, echo.serve, listeners))
        yield echo
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def through(faults: Faults) -> AsyncIterator[tuple[Echo, FaultProxy, trio.SocketStream]]:
    with trio.fail_after(SOON):
        async with (
            echo_server() as echo,
            open_proxy("127.0.0.1", echo.port, faults) as proxy,
            await trio.open_tcp_stream("127.0.0.1", proxy.port) as stream,
        ):
            await proxy.opened(1)
            yield echo, proxy, stream


async def receive(stream: trio.SocketStream, size: int) -> bytes:
    got = b""
    while len(got) < size:
        more = await stream.receive_some(size - len(got))
        assert more, f"ended after {got!r}"
        got += more
    return got


async def test_without_faults_it_is_not_noticed() -> None:
    async with through(Faults()) as (echo, proxy, stream):
        sound = bytes(range(256)) * 4096
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, sound)
            assert await receive(stream, len(sound)) == sound
        await stream.send_eof()
        assert await stream.receive_some() == b""
        await proxy.opened(0)
        assert (proxy.connections, proxy.up, proxy.down) == (1, len(sound), len(sound))
        assert echo.ends == ["eof"]


async def test_delay() -> None:
    async with through(Faults(up=Way(delay_s=0.05), down=Way(delay_s=0.05))) as (_, _, stream):
        begun = trio.current_time()
        await stream.send_all(b"a")
        await trio.sleep(0.02)
        await stream.send_all(b"b")
        assert await receive(stream, 2) == b"ab"
        # The delays of the two overlap: it is a delay, no throttle.
        assert trio.current_time() - begun >= 0.1


async def test_stall_keeps_the_connection_and_loses_nothing() -> None:
    async with through(Faults()) as (echo, proxy, stream):
        await stream.send_all(b"one")
        await receive(stream, 3)
        proxy.faults = Faults(down=Way(stalled=True))
        await stream.send_all(b"two")
        with trio.move_on_after(NOT_YET) as waiting:
            await stream.receive_some()
        assert waiting.cancelled_caught
        assert (echo.got, proxy.open) == (b"onetwo", 1)
        proxy.faults = Faults()
        assert await receive(stream, 3) == b"two"


async def test_half_close_down_ends_what_the_client_hears_and_not_what_it_says() -> None:
    async with through(Faults()) as (echo, proxy, stream):
        proxy.faults = Faults(down=Way(half_closed=True))
        assert await stream.receive_some() == b""
        await stream.send_all(b"still here")
        await stream.send_eof()
        await echo.over.wait()
        assert (echo.got, echo.ends, proxy.down) == (b"still here", ["eof"], 0)


async def test_half_close_up_swallows_what_the_client_says() -> None:
    async with through(Faults(up=Way(half_closed=True))) as (echo, _, stream):
        await echo.over.wait()
        assert echo.ends == ["eof"]
        await stream.send_all(b"nobody listens")
        assert echo.got == b""


async def test_reset_reaches_both_sides() -> None:
    async with through(Faults()) as (echo, proxy, stream):
        await stream.send_all(b"hello")
        await receive(stream, 5)
        proxy.reset()
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
        await echo.over.wait()
        assert echo.ends == ["reset"]
        assert proxy.open == 0


async def test_garbage_comes_in_between_once() -> None:
    async with through(Faults(down=Way(garbage_after=3))) as (_, _, stream):
        await stream.send_all(b"abc")
        assert await receive(stream, 3) == b"abc"
        await stream.send_all(b"def")
        assert await receive(stream, 3 + len(GARBAGE)) == GARBAGE + b"def"
        await stream.send_all(b"ghi")
        assert await receive(stream, 3) == b"ghi"


async def test_a_slow_reader_takes_its_time_and_holds_the_sender_back() -> None:
    async with through(Faults(up=Way(bytes_per_s=20_000))) as (echo, _, stream):
        begun = trio.current_time()
        await stream.send_all(bytes(2_000))
        await receive(stream, 2_000)
        assert trio.current_time() - begun >= 0.08  # the last slice needs not be waited for
        with trio.move_on_after(NOT_YET) as sending:
            await stream.send_all(bytes(64 * 1024 * 1024))  # more than the buffers of any kernel
        assert sending.cancelled_caught
        assert len(echo.got) < 100_000


async def test_connections_are_cut_at_their_age() -> None:
    async with through(Faults(cut_every_s=0.05)) as (_, proxy, first):
        with pytest.raises(trio.BrokenResourceError):
            await first.receive_some()
        async with await trio.open_tcp_stream("127.0.0.1", proxy.port) as second:
            with pytest.raises(trio.BrokenResourceError):
                await second.receive_some()
        assert (proxy.connections, proxy.open) == (2, 0)


async def test_an_open_connection_can_be_given_an_age_and_spared() -> None:
    async with through(Faults(cut_every_s=3600)) as (_, proxy, stream):
        proxy.faults = Faults()
        await stream.send_all(b"still here")
        assert await receive(stream, 10) == b"still here"
        proxy.faults = Faults(cut_every_s=0)
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()


async def test_nobody_behind_it_is_a_reset() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    async with open_proxy("127.0.0.1", port) as proxy, await trio.open_tcp_stream("127.0.0.1", proxy.port) as stream:
        with pytest.raises(trio.BrokenResourceError), trio.fail_after(SOON):
            await stream.receive_some()


async def test_leaving_it_closes_every_connection() -> None:
    async with echo_server() as echo:
        async with open_proxy("127.0.0.1", echo.port) as proxy:
            stream = await trio.open_tcp_stream("127.0.0.1", proxy.port)
            await stream.send_all(b"hello")
            await receive(stream, 5)
        with trio.fail_after(SOON):
            async with stream:
                assert await stream.receive_some() == b""
            await echo.over.wait()


@asynccontextmanager
async def session_through(faults: Faults) -> AsyncIterator[tuple[Provider, FaultProxy, SimClient]]:
    with trio.fail_after(SOON):
        async with open_provider(Behaviour(response_ms=40)) as provider:
            port = urlsplit(provider.url).port
            assert port is not None
            async with open_proxy("127.0.0.1", port, faults) as proxy:
                provider.url = proxy.through(provider.url)
                async with talking_to(provider) as client:
                    yield provider, proxy, client


async def test_a_session_through_the_proxy_is_reset() -> None:
    async with session_through(Faults()) as (provider, proxy, client):
        await client.send({"type": "response.create"})
        await client.until("response.done")
        proxy.reset()
        assert (await client.until_closed())[0] == 1006
        assert await provider.sessions[0].closed() == Ended(Party.CLIENT, 1006)


async def test_garbage_is_no_websocket() -> None:
    async with session_through(Faults()) as (_, proxy, client):
        await client.until("session.created")
        proxy.faults = Faults(down=Way(garbage_after=0))
        await client.send({"type": "response.create"})
        assert (await client.until_closed())[0] == 1002
        assert client.types == ["session.created"]
