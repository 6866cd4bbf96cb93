"""The loopback chat endpoint: OpenAI's chat completions on 127.0.0.1, scripted, well behaved or not."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import orjson
import trio
from attrs import field, frozen

from neko.testing.bell import Bell
from neko.testing.chat_reply import (
    DONE,
    GARBAGE,
    ChatReply,
    Style,
    call_chunks,
    chunks,
    completion,
    last_chunk,
    models,
    sse,
    usage_chunk,
)
from neko.testing.http_exchange import EVENT_STREAM, HttpExchange, serve_http
from neko.testing.refusal import refusal
from neko.testing.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import h11

HOST = "127.0.0.1"
BAD_REQUEST, NOT_FOUND = 400, 404


@frozen
class ChatRequest:
    """One request for a completion; header names in lower case."""

    headers: dict[str, str] = field(repr=False)
    body: dict[str, Any]


class Chat:
    """What a test sees of the server.

    `requests`: every request for a completion, in order. `open_streams`: answers that are being given right now.
    `replies`: what the requests get, in turn, the last one for all that follow; may be replaced at any time.
    """

    def __init__(self, url: str, replies: tuple[ChatReply, ...]) -> None:
        self.url = url
        self.replies = replies
        self.requests: list[ChatRequest] = []
        self.open_streams = 0
        self._bell = Bell()

    async def request(self, number: int = 0) -> ChatRequest:
        """Waits for the request with this place in `requests`."""
        await self._bell.until(lambda: len(self.requests) > number)
        return self.requests[number]

    async def streams(self, count: int) -> None:
        """Waits until exactly so many answers are being given."""
        await self._bell.until(lambda: self.open_streams == count)

    async def serve(self, stream: trio.SocketStream) -> None:
        """One accepted connection to its end; a client that leaves ends the answer that it was given at once."""
        await serve_http(stream, self._answer)

    async def _answer(self, head: h11.Request, body: bytes, exchange: HttpExchange, wire: Wire) -> None:
        match head.method, head.target:
            case b"GET", b"/v1/models":
                await exchange.whole(200, models())
            case b"POST", b"/v1/chat/completions":
                await self._complete(head, body, exchange, wire)
            case _:
                await exchange.whole(NOT_FOUND, refusal(NOT_FOUND))

    async def _complete(self, head: h11.Request, raw: bytes, exchange: HttpExchange, wire: Wire) -> None:
        body = _object(raw)
        if body is None:
            await exchange.whole(BAD_REQUEST, refusal(BAD_REQUEST))
            return
        reply = self.replies[min(len(self.requests), len(self.replies) - 1)]
        headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
        with self._streaming():
            self.requests.append(ChatRequest(headers, body))
            self._bell.ring()
            async with trio.open_nursery() as nursery:
                # Its end of the connection is noticed by reading from it; the wire then cancels all of this.
                nursery.start_soon(exchange.left)
                await _give(reply, body, exchange, wire)
                nursery.cancel_scope.cancel()

    @contextmanager
    def _streaming(self) -> Iterator[None]:
        self.open_streams += 1
        try:
            yield
        finally:
            self.open_streams -= 1
            self._bell.ring()


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) else None


async def _give(reply: ChatReply, body: dict[str, Any], exchange: HttpExchange, wire: Wire) -> None:
    await trio.sleep(reply.first_after_s)
    if reply.refuse_status is not None:
        later = () if reply.retry_after_s is None else (("Retry-After", str(reply.retry_after_s)),)
        await exchange.whole(reply.refuse_status, refusal(reply.refuse_status), *later)
    elif body.get("stream"):
        await _stream(reply, body, exchange, wire)
    else:
        await exchange.whole(200, completion(reply, body.get("model", "")))


async def _stream(reply: ChatReply, body: dict[str, Any], exchange: HttpExchange, wire: Wire) -> None:
    model = body.get("model", "")
    await exchange.begin(200, EVENT_STREAM)
    for number, chunk in enumerate(chunks(reply, model)):
        if number:
            await trio.sleep(reply.piece_after_s)
        await _misbehave(reply, number, exchange, wire)
        await exchange.body(sse(chunk))
    await _misbehave(reply, len(reply.pieces), exchange, wire)
    for chunk in call_chunks(reply, model):
        await exchange.body(sse(chunk))
    await exchange.body(sse(last_chunk(reply, model)))
    if (body.get("stream_options") or {}).get("include_usage"):
        await exchange.body(sse(usage_chunk(reply, model)))
    if reply.style is not Style.NAMELESS:
        await exchange.body(DONE)
    await exchange.end()


async def _misbehave(reply: ChatReply, given: int, exchange: HttpExchange, wire: Wire) -> None:
    """What happens after so many pieces; a cut cancels the caller."""
    if reply.garbage_after == given:
        await exchange.body(GARBAGE)
    if reply.cut_after == given:
        wire.cut()
        await trio.sleep_forever()
    if reply.stall_after == given:
        await trio.sleep_forever()


@asynccontextmanager
async def open_chat(*replies: ChatReply) -> AsyncIterator[Chat]:
    """A chat endpoint on a free port of 127.0.0.1; leaving closes every connection.

    Request n gets the n-th reply, and the last one serves all that follow; without any, a friendly one.
    """
    listeners = await trio.open_tcp_listeners(0, host=HOST)
    port = listeners[0].socket.getsockname()[1]
    chat = Chat(f"http://{HOST}:{port}/v1", replies or (ChatReply(),))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, chat.serve, listeners)
        yield chat
        nursery.cancel_scope.cancel()
