"""One HTTP/1.1 connection, served request by request: h11 for the protocol, a wire for the bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import h11
import orjson
import trio

from neko.testing.wire import Wire

RECEIVE_BUFFER = 64 * 1024
JSON = ("Content-Type", "application/json")
EVENT_STREAM = ("Content-Type", "text/event-stream")


class HttpExchange:
    """The server's side of one connection. One task at a time may receive."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._http = h11.Connection(h11.SERVER)

    async def request(self) -> tuple[h11.Request, bytes] | None:
        """The next request with its body; None when the client wants no more or speaks no HTTP.

        Raises:
            trio.BrokenResourceError: the connection broke.
        """
        if self._http.our_state is h11.MUST_CLOSE:
            return None
        if self._http.our_state is h11.DONE:
            self._http.start_next_cycle()
        try:
            head = await self._event()
            if not isinstance(head, h11.Request):
                return None
            body = b""
            while isinstance(part := await self._event(), h11.Data):
                body += part.data
        except h11.RemoteProtocolError:
            return None
        return head, body

    async def begin(self, status: int, *headers: tuple[str, str]) -> None:
        await self._send(h11.Response(status_code=status, headers=list(headers)))

    async def body(self, data: bytes) -> None:
        await self._send(h11.Data(data=data))

    async def end(self) -> None:
        await self._send(h11.EndOfMessage())

    async def whole(self, status: int, value: object, *headers: tuple[str, str]) -> None:
        """A JSON response."""
        body = orjson.dumps(value)
        await self.begin(status, JSON, ("Content-Length", str(len(body))), *headers)
        await self.body(body)
        await self.end()

    async def left(self) -> None:
        """Waits until the client hangs up; a next request that it sends meanwhile is kept."""
        while data := await self._wire.receive_some(RECEIVE_BUFFER):
            self._http.receive_data(bytes(data))

    async def _event(self) -> h11.Event | type[h11.NEED_DATA | h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(bytes(await self._wire.receive_some(RECEIVE_BUFFER)))
        return event

    async def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            await self._wire.send_all(data)


Answer = Callable[[h11.Request, bytes, HttpExchange, Wire], Awaitable[None]]
"""Answers one request, given with its body."""


async def serve_http(stream: trio.SocketStream, answer: Answer) -> None:
    """One accepted connection to its end; a client that leaves ends the answer that it was given at once."""
    connection = trio.CancelScope()
    try:
        with connection:
            async with Wire(stream, on_end=connection.cancel) as wire:
                exchange = HttpExchange(wire)
                while (request := await exchange.request()) is not None:
                    await answer(*request, exchange, wire)
    except* trio.BrokenResourceError:
        pass  # a client may vanish; that ends its connection and nothing else
