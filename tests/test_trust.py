"""Certificates are read once, and not by the thread that everybody waits for."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator

import pytest

from neko.realtime import trust


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[threading.Thread]]:
    """The threads in which certificates are read."""
    threads: list[threading.Thread] = []

    def read(**_: object) -> ssl.SSLContext:
        threads.append(threading.current_thread())
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    forget = trust._of_this_machine.cache_clear, trust._of_httpx.cache_clear
    for each in forget:
        each()
    monkeypatch.setattr(ssl, "create_default_context", read)
    yield threads
    for each in forget:
        each()


@pytest.mark.parametrize("trusted", [trust.for_websockets, lambda: trust.for_http("https://host/v1")])
async def test_certificates_are_read_once_in_a_thread_of_their_own(
    readers: list[threading.Thread], trusted: Callable[[], Awaitable[ssl.SSLContext]]
) -> None:
    first = await trusted()
    assert await trusted() is first
    assert len(readers) == 1
    assert readers[0] is not threading.current_thread()


async def test_where_nothing_is_encrypted_nothing_is_read_or_trusted(readers: list[threading.Thread]) -> None:
    context = await trust.for_http("http://host/v1")
    assert readers == []
    assert (context.verify_mode, context.get_ca_certs()) == (ssl.CERT_REQUIRED, [])
