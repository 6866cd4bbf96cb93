"""The public translation services on 127.0.0.1, scripted, well behaved or not.

Answers as `translate.googleapis.com` does, which both googletrans and translatepy ask; everything else that they try
gets a 404.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf
from urllib.parse import parse_qs, urlsplit

import h11
import orjson
import trio
from attrs import frozen

from neko.testing.bell import Bell
from neko.testing.http_exchange import JSON, HttpExchange, serve_http
from neko.testing.refusal import refusal
from neko.testing.wire import Wire

HOST = "127.0.0.1"
NOT_FOUND = 404
SINGLE = "/translate_a/single"


@frozen(kw_only=True)
class TranslatorReply:
    """What one question gets; `text` None is the question itself."""

    text: str | None = "Guten Morgen."
    after_s: float = 0
    status: int = 200
    garbage: bool = False

    @classmethod
    def hangs(cls) -> TranslatorReply:
        return cls(after_s=inf)


@frozen
class Question:
    """One question: to whom, what was to be translated, and the vendor's names of the languages."""

    host: str
    text: str
    spoken: str
    wanted: str


class Translators:
    """What a test sees: `questions` in order; `replies` for them in turn, the last one for all that follow."""

    def __init__(self, url: str, replies: tuple[TranslatorReply, ...]) -> None:
        self.url = url
        self.replies = replies
        self.questions: list[Question] = []
        self.tried: list[str] = []  # other paths
        self.waiting = 0  # questions that are not answered yet, and whose asker is still there
        self._bell = Bell()

    async def asked(self, count: int) -> None:
        """Waits until there were so many questions."""
        await self._bell.until(lambda: len(self.questions) >= count)

    async def idle(self) -> None:
        """Waits until nobody waits for an answer."""
        await self._bell.until(lambda: self.waiting == 0)

    async def serve(self, stream: trio.SocketStream) -> None:
        """One accepted connection to its end."""
        await serve_http(stream, self._answer)

    async def _answer(self, head: h11.Request, _body: bytes, exchange: HttpExchange, _wire: Wire) -> None:
        target = urlsplit(head.target.decode())
        if target.path != SINGLE:
            self.tried.append(target.path)
            await exchange.whole(NOT_FOUND, refusal(NOT_FOUND))
            return
        fields = {key: values[0] for key, values in parse_qs(target.query).items()}
        host = dict(head.headers)[b"host"].decode()
        reply = self.replies[min(len(self.questions), len(self.replies) - 1)]
        self.questions.append(Question(host, fields["q"], fields["sl"], fields["tl"]))
        self.waiting += 1
        self._bell.ring()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(exchange.left)  # its end of the connection is noticed by reading from it
                await trio.sleep(reply.after_s)
                await _give(reply, fields, exchange)
                nursery.cancel_scope.cancel()
        finally:
            self.waiting -= 1
            self._bell.ring()


async def _give(reply: TranslatorReply, fields: dict[str, str], exchange: HttpExchange) -> None:
    text = fields["q"] if reply.text is None else reply.text
    body = orjson.dumps([[[text, fields["q"], None, None, 1]], None, fields["sl"]])
    await exchange.begin(reply.status, JSON, ("Content-Length", str(len(body))))
    await exchange.body(b"<html>".ljust(len(body)) if reply.garbage else body)
    await exchange.end()


@asynccontextmanager
async def open_translators(*replies: TranslatorReply) -> AsyncIterator[Translators]:
    """The services on a free port; leaving closes every connection."""
    listeners = await trio.open_tcp_listeners(0, host=HOST)
    port = listeners[0].socket.getsockname()[1]
    translators = Translators(f"http://{HOST}:{port}", replies or (TranslatorReply(),))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, translators.serve, listeners)
        yield translators
        nursery.cancel_scope.cancel()
