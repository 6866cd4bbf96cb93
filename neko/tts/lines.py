"""The way out of this machine, as voices use it: Trio connects and reads, and the voice's thread waits for it.

So an engine is a blocking program, and a cancelled speech ends it at once, however silent its server is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from ssl import SSLContext
from typing import Any

import httpx
import orjson
import trio
from attrs import frozen

from neko.sockets import Socket, SocketClosed
from neko.sockets.hanging_up import hang_up
from neko.sockets.secrets import without_secrets
from neko.telemetry import get_logger
from neko.tts.errors import VoiceError, VoiceFailed, brief, refused

log = get_logger("voice")

ANSWER_WITHIN = 10.0  # seconds to connect and begin to answer; the person has been waiting for all of them
# Each voice's thread asks once at a time, and there are 40; a minute is a usual pause between two replies.
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=60.0)
SILENT_FOR = 10.0  # seconds without a word in the middle of a sentence; then it is broken off

Dial = Callable[[str, str, Mapping[str, str]], AbstractAsyncContextManager[Socket]]
"""A connected WebSocket, for (who, url, headers); closed when the context is left, soon when that is cancelled.

Raises `VoiceFailed` of `who`."""


@frozen
class Lines:
    """Made by `open_lines`; for the threads of any number of voices."""

    _http: httpx.AsyncClient | None = None
    _dial: Dial | None = None
    _owner: trio.Nursery | None = None

    @contextmanager
    def post(
        self, who: str, url: str, headers: Mapping[str, str], body: Mapping[str, Any]
    ) -> Iterator[Iterator[bytes]]:
        """What a server answers to a JSON body, piece by piece as it comes; leaving the context hangs up.

        No piece is read before it is asked for. Blocks a thread of Trio's. Raises `VoiceFailed`, by the status or when
        the answer does not come, or breaks off.
        """
        with self._asked(who, "POST", url, headers, json=dict(body)) as pieces:
            yield pieces

    def get(self, who: str, url: str, headers: Mapping[str, str]) -> None:
        """Returns when a server has answered with success; for what costs nothing. As `post`."""
        with self._asked(who, "GET", url, headers):
            pass

    @contextmanager
    def _asked(
        self, who: str, method: str, url: str, headers: Mapping[str, str], **body: Any
    ) -> Iterator[Iterator[bytes]]:
        assert self._http is not None, "a voice without lines speaks to nobody"
        request = self._http.build_request(method, url, headers=dict(headers), **body)
        response = trio.from_thread.run(_answer, self._http, who, request)
        pieces = response.aiter_bytes()
        try:
            yield iter(lambda: trio.from_thread.run(_next_piece, who, pieces), b"")
        finally:
            trio.from_thread.run(hang_up, response, pieces)

    @contextmanager
    def dialled(self, who: str, url: str, headers: Mapping[str, str]) -> Iterator[Call]:
        """A WebSocket; leaving the context hangs up, and does not wait for the other side's goodbye.

        Blocks a thread of Trio's. Raises `VoiceFailed`.
        """
        assert self._dial is not None, "a voice without lines speaks to nobody"
        assert self._owner is not None
        call = trio.from_thread.run(_connected, self._owner, who, self._dial(who, url, headers))
        try:
            yield call
        except BaseException:
            trio.from_thread.run_sync(call.cut)
            raise
        trio.from_thread.run_sync(call.over)


NO_LINES = Lines()
"""For voices that are opened only to see whether they exist."""


@asynccontextmanager
async def open_lines(dial: Dial, trust: SSLContext) -> AsyncIterator[Lines]:
    """Lines that outlive the voices that use them; HTTP connections are shared, and kept for the next sentence."""
    # The deadlines are ours: one for each answer and each piece of it. A proxy in the environment is not something that
    # the user configured for neko.
    async with (
        httpx.AsyncClient(timeout=None, verify=trust, trust_env=False, limits=_LIMITS) as http,
        trio.open_nursery() as owner,
    ):
        yield Lines(http, dial, owner)
        owner.cancel_scope.cancel()


async def _answer(http: httpx.AsyncClient, who: str, request: httpx.Request) -> httpx.Response:
    with _as_failure(who), trio.fail_after(ANSWER_WITHIN):
        response = await http.send(request, stream=True)
        if response.is_success and response.headers.get("content-type", "").startswith("text/html"):
            await response.aclose()
            raise VoiceFailed(who, f"answered with a web page: check url ({request.url.host})", permanent=True)
        if response.is_success:
            return response
        said = (await response.aread()).decode(errors="replace")
        raise refused(who, response.status_code, without_secrets(said, request.headers.items()))


async def _next_piece(who: str, pieces: AsyncIterator[bytes]) -> bytes:
    """b"" at the end."""
    with _as_failure(who), trio.fail_after(SILENT_FOR):
        while not (piece := await anext(pieces, None)):
            if piece is None:
                return b""
        return piece


@contextmanager
def _as_failure(who: str) -> Iterator[None]:
    try:
        yield
    except httpx.ConnectError as error:
        raise VoiceFailed(who, f"does not answer at {error.request.url.host} ({error})") from error
    except httpx.RequestError as error:
        raise VoiceFailed(who, f"broke off ({type(error).__name__}: {error})") from error
    except SocketClosed as error:
        raise VoiceFailed(who, f"broke off ({error})") from error
    except trio.TooSlowError as error:
        raise VoiceFailed(who, "does not answer") from error


class Call:
    """A WebSocket in the hands of a voice's thread. All of it blocks."""

    def __init__(self, who: str, socket: Socket, scope: trio.CancelScope) -> None:
        self._who = who
        self._socket = socket
        self._scope = scope
        self._done = trio.Event()

    def send(self, message: Mapping[str, Any]) -> None:
        """A JSON object. Raises `VoiceFailed`."""
        trio.from_thread.run(self._send, orjson.dumps(message).decode())

    def receive(self) -> dict[str, Any] | bytes:
        """The next JSON object or binary frame. Raises `VoiceFailed`, also for what is neither."""
        frame = trio.from_thread.run(self._receive)
        if isinstance(frame, bytes):
            return frame
        try:
            message = orjson.loads(frame)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            raise VoiceFailed(self._who, f"sent something that is no JSON object: {brief(frame)!r}")
        return message

    def over(self) -> None:
        """All is said; the goodbye is the owner's. In Trio's thread."""
        self._done.set()

    def cut(self) -> None:
        """Hang up now. In Trio's thread."""
        self._scope.cancel()

    async def until_over(self) -> None:
        await self._done.wait()

    async def _send(self, frame: str) -> None:
        with _as_failure(self._who), trio.fail_after(SILENT_FOR):
            await self._socket.send(frame)

    async def _receive(self) -> str | bytes:
        with _as_failure(self._who), trio.fail_after(SILENT_FOR):
            return await self._socket.receive()


async def _connected(owner: trio.Nursery, who: str, dialling: AbstractAsyncContextManager[Socket]) -> Call:
    with _as_failure(who), trio.fail_after(ANSWER_WITHIN):
        call: Call = await owner.start(_hold, who, dialling)
        return call


async def _hold(who: str, dialling: AbstractAsyncContextManager[Socket], *, task_status: trio.TaskStatus[Call]) -> None:
    """The task in which a WebSocket lives: no nursery can be entered in one call of a thread and left in another."""
    ready = False
    try:
        with trio.CancelScope() as scope:
            async with dialling as socket:
                call = Call(who, socket, scope)
                task_status.started(call)
                ready = True
                await call.until_over()
    except VoiceError:
        if not ready:
            raise
        log.warning("voice.goodbye_failed", voice=who, exc_info=True)  # nobody waits for it any more
    except Exception:  # a bug costs one connection
        if not ready:
            raise
        log.exception("voice.goodbye_failed", voice=who)
