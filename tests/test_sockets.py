"""The seam between neko and a WebSocket library: what is sent comes, in order and whole, and every end is told."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream
from websockets.frames import Frame, Opcode

from neko.realtime.dial import dial
from neko.realtime.errors import ProviderError
from neko.sockets import Socket, SocketClosed
from neko.sockets.lean import LeanStream
from neko.testing import Behaviour, open_provider
from neko.web.head import read_head
from neko.web.sockets import Embedded, _accept

Serve = Callable[[Socket], Awaitable[None]]


@asynccontextmanager
async def served(serve: Serve) -> AsyncIterator[str]:
    """A server whose only route is `serve`; its URL."""

    async def meet(stream: trio.SocketStream) -> None:
        async with stream, trio.open_nursery() as nursery:
            head = await read_head(stream)
            assert head is not None
            socket = await _accept(nursery, Embedded(), stream, head)
            assert socket is not None
            await serve(socket)
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, meet, 0)
        yield f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[WebSocketConnection]:
    """Over a stream of our own: trio-websocket 0.12 leaves a client's stream open after a close."""
    port = int(url.rsplit(":", 1)[1].rstrip("/"))
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream, trio.open_nursery() as nursery:
        yield await wrap_client_stream(nursery, stream, "127.0.0.1", "/", max_message_size=2**21)
        nursery.cancel_scope.cancel()


UPGRADE_REQUEST = (
    b"GET /v1/realtime?model=local HTTP/1.1\r\nHost: neko\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


async def test_header_and_sound_arrive_together_and_in_order() -> None:
    async def serve(socket: Socket) -> None:
        for number in range(100):
            await socket.send(f"header {number}", bytes([number]) * 3_000)
        await socket.receive()

    async with served(serve) as url, client_of(url) as client:
        for number in range(100):
            assert await client.get_message() == f"header {number}"
            assert await client.get_message() == bytes([number]) * 3_000
        await client.send_message("done")


async def test_what_is_taken_where_it_comes_and_what_is_received_are_all_that_came() -> None:
    """Asked about where it arrives, or not: order and number are the same."""
    got: list[str | bytes] = []
    asked_in = set[str]()

    def sound(message: str | bytes) -> bool:
        asked_in.add(trio.lowlevel.current_task().name)
        if isinstance(message, bytes):
            got.append(message)
        return isinstance(message, bytes)

    async def serve(socket: Socket) -> None:
        while "end" not in got:
            got.append(await socket.receive(sound))
            await trio.lowlevel.checkpoint()

    sent = [f"text {number}" if number % 7 == 3 else bytes([number]) for number in range(200)] + ["end"]
    async with served(serve) as url, client_of(url) as client:
        for number, message in enumerate(sent):
            await client.send_message(message)
            if number % 3 == 0:
                await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(ConnectionClosed):
            await client.get_message()
    assert got == sent
    assert len(asked_in) == 1


async def test_a_message_is_shown_once() -> None:
    """Who does not take it where it comes gets it, and is not asked again."""
    shown: list[str | bytes] = []
    got: list[str | bytes] = []

    def refuse(message: str | bytes) -> bool:
        shown.append(message)
        return False

    async def serve(socket: Socket) -> None:
        got.extend([await socket.receive(refuse) for _ in range(10)])
        with pytest.raises(SocketClosed):
            await socket.receive(refuse)

    async with served(serve) as url, client_of(url) as client:
        for number in range(10):
            await client.send_message(f"message {number}")
            await trio.testing.wait_all_tasks_blocked()
        await client.aclose()
    assert got == [f"message {number}" for number in range(10)]
    assert len(shown) == len(set(shown))


async def test_a_megabyte_to_a_client_that_reads_slowly() -> None:
    """More than the system's buffers hold: the sender waits."""
    sound = bytes(range(256)) * 4_096

    async def serve(socket: Socket) -> None:
        for _ in range(8):
            await socket.send(sound)
        await socket.receive()

    async with served(serve) as url, client_of(url) as client:
        for _ in range(8):
            assert await client.get_message() == sound
        await client.send_message("done")


async def test_half_a_message_is_finished_before_anything_else_leaves() -> None:
    """Whoever sends at once goes on where it stopped, and the pong to a ping that came meanwhile waits."""
    sounds = [bytes(range(256)) * size for size in (1, 4_096, 16, 256)]
    at_once: list[bool] = []
    half, asked = trio.Event(), trio.Event()

    async def serve(socket: Socket) -> None:
        for number, sound in enumerate(sounds * 10):
            sent = socket.send_now(f"header {number}", sound)
            at_once.append(sent)
            if not sent:
                half.set()
                await asked.wait()
                await socket.send(f"header {number}", sound)
        assert await socket.receive() == "done"

    async def ask(client: WebSocketConnection) -> None:
        await half.wait()
        with trio.CancelScope() as asking:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.ping)
                await trio.testing.wait_all_tasks_blocked(0.02)
                asked.set()
        assert not asking.cancelled_caught

    async with served(serve) as url, client_of(url) as client, trio.open_nursery() as nursery:
        nursery.start_soon(ask, client)
        await asked.wait()
        for number, sound in enumerate(sounds * 10):
            assert await client.get_message() == f"header {number}"
            assert await client.get_message() == sound
        await client.send_message("done")
    assert set(at_once) == {True, False}


async def test_what_cannot_leave_at_once_raises_when_it_is_sent() -> None:
    closed: list[int | None] = []

    async def serve(socket: Socket) -> None:
        assert socket.send_now("hello")
        with pytest.raises(SocketClosed):
            await socket.receive()
        assert not socket.send_now("anybody?")
        with pytest.raises(SocketClosed) as end:
            await socket.send("anybody?")
        closed.append(end.value.code)

    async with served(serve) as url, client_of(url) as client:
        assert await client.get_message() == "hello"
        await client.aclose(4000)
    assert closed == [4000]


async def test_a_ping_is_answered_after_all_that_came_before() -> None:
    answered = trio.Event()

    async def serve(socket: Socket) -> None:
        async with trio.open_nursery() as nursery:

            async def read() -> None:
                with pytest.raises(SocketClosed):
                    await socket.receive()

            nursery.start_soon(read)
            await socket.send("first")
            await socket.ping()
            answered.set()

    async with served(serve) as url, client_of(url) as client:
        assert await client.get_message() == "first"
        with trio.fail_after(2):
            await answered.wait()


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "off to bed"), (4001, "taken over")])
async def test_how_the_client_closes_is_told(code: int, reason: str) -> None:
    ends: list[SocketClosed] = []

    async def serve(socket: Socket) -> None:
        assert await socket.receive() == "bye"
        for ask in (socket.receive, socket.receive, lambda: socket.send("anybody?"), socket.ping):
            with pytest.raises(SocketClosed) as end:
                await ask()
            ends.append(end.value)

    async with served(serve) as url, client_of(url) as client:
        await client.send_message("bye")
        await client.aclose(code, reason or None)
    assert {(end.code, end.reason) for end in ends} == {(code, reason)}


async def test_a_client_that_vanishes_has_no_code() -> None:
    codes: list[int | None] = []
    over = trio.Event()

    async def serve(socket: Socket) -> None:
        with pytest.raises(SocketClosed) as end:
            await socket.receive()
        codes.append(end.value.code)
        over.set()

    async with served(serve) as url, trio.open_nursery() as nursery:
        client: WebSocketConnection = await _connected(nursery, url)
        await trio.aclose_forcefully(client._stream)
        with trio.fail_after(2):
            while not codes:
                await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert codes == [None]


async def _connected(nursery: trio.Nursery, url: str) -> WebSocketConnection:
    from trio_websocket import connect_websocket_url

    return await connect_websocket_url(nursery, url)


async def test_the_servers_goodbye_reaches_a_client() -> None:
    async def serve(socket: Socket) -> None:
        await socket.send("the last word")
        await socket.aclose(4004, "unknown")
        await socket.aclose()

    async with served(serve) as url, client_of(url) as client:
        assert await client.get_message() == "the last word"
        with pytest.raises(ConnectionClosed) as end:
            await client.get_message()
        assert end.value.reason is not None
        assert (end.value.reason.code, end.value.reason.reason) == (4004, "unknown")


async def test_a_goodbye_while_another_task_reads() -> None:
    """As the writer of a connection says it, whose reader waits."""

    async def serve(socket: Socket) -> None:
        async with trio.open_nursery() as nursery:

            async def read() -> None:
                with pytest.raises(SocketClosed):
                    await socket.receive()

            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            await socket.aclose(1012, "draining")

    async with served(serve) as url, client_of(url) as client:
        with pytest.raises(ConnectionClosed) as end:
            await client.get_message()
        assert end.value.reason is not None
        assert end.value.reason.code == 1012


async def test_a_message_in_fragments_is_one_message() -> None:
    got: list[str | bytes] = []

    async def serve(socket: Socket) -> None:
        got.append(await socket.receive())
        await socket.send("thanks")

    first, last = b"\x01\x86" + bytes(4) + b"hello ", b"\x80\x85" + bytes(4) + b"there"
    async with served(serve) as url, client_of(url) as client:
        await client._stream.send_all(first)
        await client._stream.send_all(last)
        assert await client.get_message() == "thanks"
    assert got == ["hello there"]


def masked(opcode: Opcode, data: bytes) -> bytes:
    return Frame(opcode, data).serialize(mask=True)


@pytest.mark.parametrize(
    "frame",
    [masked(Opcode.CONT, b"of what?"), masked(Opcode.TEXT, b"\xff\xfe")],
    ids=["goes on with nothing", "is no text"],  # its mask is drawn by chance, and would be in the name
)
async def test_a_client_that_breaks_the_rules_is_over(frame: bytes) -> None:
    """After what came before it. trio-websocket 0.12 hangs up without a word to the client."""

    async def serve(socket: Socket) -> None:
        assert await socket.receive() == "in order"
        for ask in (socket.receive, lambda: socket.send("anybody?"), socket.ping):
            with pytest.raises(SocketClosed):
                await ask()

    async with served(serve) as url, client_of(url) as client:
        await client._stream.send_all(masked(Opcode.TEXT, b"in order") + frame)
        with pytest.raises(ConnectionClosed), trio.fail_after(2):
            await client.get_message()


async def test_a_client_that_resets_before_it_is_accepted_is_a_closed_socket() -> None:
    served_one: list[str] = []

    async def serve(socket: Socket) -> None:
        with pytest.raises(SocketClosed):
            await socket.receive()
        served_one.append("was served")

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    client = await trio.open_tcp_stream("127.0.0.1", listeners[0].socket.getsockname()[1])
    stream = await listeners[0].accept()
    async with listeners[0], stream, trio.open_nursery() as nursery:
        await client.send_all(UPGRADE_REQUEST)
        head = await read_head(stream)
        assert head is not None
        client.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()
        await trio.testing.wait_all_tasks_blocked(0.02)
        try:
            socket = await _accept(nursery, Embedded(), stream, head)
            assert socket is not None
            await serve(socket)
        except SocketClosed:
            served_one.append("was not")
        nursery.cancel_scope.cancel()
    assert len(served_one) == 1


# --- the client's end, against the simulator -------------------------------------------------------------------------


async def test_a_provider_is_dialled_and_left() -> None:
    async with open_provider() as provider:
        async with dial(f"{provider.url}?model=sim", {"Authorization": "Bearer none"}) as socket:
            assert "session.created" in str(await socket.receive())
            await socket.ping()
        with trio.fail_after(2):
            await provider.sockets(0)
        assert provider.handshakes[0].headers["authorization"] == "Bearer none"


async def test_a_refusal_is_the_provider_error_of_its_status() -> None:
    async with open_provider(Behaviour(refuse_status=401)) as provider:
        with pytest.raises(ProviderError) as refused:
            async with dial(provider.url, {}):
                pass
    assert "401" in refused.value.details


# --- the lean stream --------------------------------------------------------------------------------------------------


async def _send_until_it_breaks(stream: LeanStream) -> None:
    """The first bytes only bring the news that nobody is there."""
    for _ in range(100):
        await stream.send_all(b"anybody?")
        await trio.testing.wait_all_tasks_blocked(0.01)


async def test_a_lean_stream_tells_of_a_broken_and_of_a_closed_connection() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    ours = await trio.open_tcp_stream("127.0.0.1", listeners[0].socket.getsockname()[1])
    theirs = await listeners[0].accept()
    stream = LeanStream(ours)
    async with listeners[0]:
        await theirs.aclose()
        assert await stream.receive_some() == b""
        with pytest.raises(trio.BrokenResourceError):
            await _send_until_it_breaks(stream)
        await stream.aclose()
        for use in (stream.receive_some, lambda: stream.send_all(b"x")):
            with pytest.raises(trio.ClosedResourceError):
                await use()
