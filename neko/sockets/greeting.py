"""A client's stream while it shakes hands."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import trio


class Greeting(trio.abc.Stream):
    """A stream that makes an end before the handshake's end an error: trio-websocket 0.12 would wait for ever.

    `error` makes it, out of one sentence.
    """

    def __init__(self, inner: trio.abc.Stream, error: Callable[[str], Exception]) -> None:
        self._inner = inner
        self._error = error
        self._greeted = False

    def step_aside(self) -> None:
        """The handshake is over. From the next call on nothing stands between, where no error has to be translated."""
        self._greeted = True
        if not isinstance(self._inner, trio.SSLStream):
            self.receive_some = self._inner.receive_some  # type: ignore[method-assign]
            self.send_all = self._inner.send_all  # type: ignore[method-assign]

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        try:
            data = await self._inner.receive_some(max_bytes)
        except (trio.BrokenResourceError, ssl.SSLError) as error:
            if self._greeted:
                raise trio.BrokenResourceError from error
            raise self._error(f"the connection broke in the handshake ({error})") from error
        if not data and not self._greeted:
            raise self._error("the other side hung up in the handshake")
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        try:
            await self._inner.send_all(data)
        except trio.BrokenResourceError as error:
            if self._greeted:
                raise
            raise self._error(f"the connection broke in the handshake ({error})") from error

    async def wait_send_all_might_not_block(self) -> None:
        await self._inner.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._inner.aclose()
