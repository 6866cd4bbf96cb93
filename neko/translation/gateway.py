"""Sends what a vendor's library says to its vendor to another address: a stand-in, a proxy of one's own."""

from __future__ import annotations

import httpx


class Gateway(httpx.AsyncBaseTransport):
    """`address` is `http://HOST:PORT`. The `Host` header goes on naming the vendor."""

    def __init__(self, address: str) -> None:
        self._address = httpx.URL(address)
        self._transport = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(
            scheme=self._address.scheme, host=self._address.host, port=self._address.port
        )
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        await self._transport.aclose()
