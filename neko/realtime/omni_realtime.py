"""A model session over a provider's WebSocket, whatever dialect it speaks."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import orjson

from neko.realtime.dial import dial
from neko.realtime.dialects.base import Dialect, Setup
from neko.realtime.errors import (
    KeyRejected,
    PolicyViolation,
    ProtocolBroken,
    ProviderError,
    SessionLost,
    Unreachable,
    refused,
)
from neko.realtime.session import Facts, Line, ModelCommand, ModelEvent, Told
from neko.sockets import Socket, SocketClosed, Taken, nobody_takes
from neko.telemetry import get_logger

log = get_logger("realtime")

Dial = Callable[[str, Mapping[str, str]], AbstractAsyncContextManager[Socket]]

GARBAGE = 3  # frames in a row that are none
_SAID = 200  # characters of what a provider said that are worth repeating


class OmniRealtimeClient:
    """A connected session; made by `open_realtime`. One task sends, one task receives."""

    def __init__(self, websocket: Socket, dialect: Dialect) -> None:
        self._websocket = websocket
        self._dialect = dialect
        self._read_already: deque[ModelEvent] = deque()
        self._garbage = 0  # frames in a row
        self._told: Told = nobody_takes  # whom `receive` waits for
        self._shown: str | bytes | None = None  # a frame of which not all was taken where it came; it is read already
        self._unsent: list[str] = []  # frames of the command that is to be sent again
        self.id = ""

    @property
    def facts(self) -> Facts:
        return self._dialect.facts

    async def open(self, setup: Setup) -> None:
        """Makes the connection the session of `setup`; returns when the provider has confirmed it."""
        await self._send(map(_written, self._dialect.open(setup)))
        while not self.id:
            frame = await self._read()
            self.id = self._dialect.opened(frame) or ""
            self._read_already += self._dialect.read(frame)

    async def prime(self, lines: Sequence[Line]) -> None:
        assert not self._unsent  # of `send_now`; the caller sends that first
        await self._send(map(_written, self._dialect.prime(lines)))

    async def send(self, command: ModelCommand) -> None:
        # A dialect is asked once for each command: it may remember that it was.
        frames, self._unsent = self._unsent or [*map(_written, self._dialect.write(command))], []
        await self._send(frames)

    def send_now(self, command: ModelCommand) -> bool:
        frames = [*map(_written, self._dialect.write(command))]
        sent = self._websocket.send_now(*frames)
        self._unsent = [] if sent else frames
        return sent

    async def receive(self, told: Told = nobody_takes) -> ModelEvent:
        self._told = told
        while not self._read_already:
            frame = await self._read(self._take)
            if self._shown is None:
                self._read_already += self._dialect.read(frame)
            self._shown = None
        return self._read_already.popleft()

    def _take(self, raw: str | bytes) -> bool:
        """A frame where it comes, while `receive` waits; what is wrong with one is for whoever receives."""
        frame = _object(raw)
        if frame is None or self._dialect.failure(frame) is not None:
            return False
        self._garbage = 0
        events = deque(self._dialect.read(frame))
        while events and self._told(events[0]):
            events.popleft()
        self._read_already, self._shown = events, raw if events else None
        return not events

    async def ping(self) -> None:
        try:
            await self._websocket.ping()
        except SocketClosed as closed:
            raise self._ended(closed) from None

    async def _send(self, frames: Iterable[str]) -> None:
        try:
            await self._websocket.send(*frames)
        except SocketClosed as closed:
            # Whoever reads learns what the close means, after all that came before it.
            raise SessionLost(self._ended(closed).details) from None

    async def _read(self, taken: Taken = nobody_takes) -> dict[str, Any]:
        """The next frame that is a JSON object and no fatal error."""
        while True:
            try:
                raw = await self._websocket.receive(taken)
            except SocketClosed as closed:
                raise self._ended(closed) from None
            frame = _object(raw)
            if frame is None:
                self._pass_over(raw)
                continue
            self._garbage = 0
            failure = self._dialect.failure(frame)
            if failure is not None:
                raise failure
            return frame

    def _pass_over(self, raw: str | bytes) -> None:
        """One frame that is not JSON costs what it said; one after the other, nobody there speaks this protocol."""
        log.warning("provider.garbage", size=len(raw))
        self._garbage += 1
        if self._garbage == GARBAGE:
            raise ProtocolBroken(f"the provider has sent {GARBAGE} frames in a row that are no JSON object")

    def _ended(self, closed: SocketClosed) -> ProviderError:
        if closed.code is None:
            return SessionLost("the provider's connection broke")
        said = closed.reason[:_SAID]
        failure = self._dialect.failure({"close": {"code": closed.code, "reason": said}})
        return failure or _closed(closed.code, said)


@asynccontextmanager
async def open_realtime(
    dialect: Dialect, setup: Setup, url: str, api_key: str | None, *, dial: Dial = dial
) -> AsyncIterator[OmniRealtimeClient]:
    """A session that is connected and set up; closed when the context is left. `dial` is how a URL is reached.

    Raises:
        ProviderError: it cannot be reached, refuses the key, is out of credit, …
    """
    try:
        async with dial(dialect.url(url, setup.model), dialect.headers(api_key)) as websocket:
            client = OmniRealtimeClient(websocket, dialect)
            await client.open(setup)
            yield client
    except ProviderError as error:
        if error.refusal is None:
            raise
        raise refused(urlsplit(url).netloc, error.refusal, dialect.codes) from None


def _written(frame: dict[str, Any]) -> str:
    return orjson.dumps(frame).decode()


def _object(raw: str | bytes) -> dict[str, Any] | None:
    try:
        frame = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return frame if isinstance(frame, dict) else None


def _closed(code: int, reason: str) -> ProviderError:
    """What a close means where the dialect has no opinion: 1008 is for a bad key or a breach of policy."""
    said = f"the provider closed the session with {code} {reason}".rstrip()
    match code:
        case 1008:
            return PolicyViolation(said)
        case 1002 | 1003 | 1007 | 1009:
            return ProtocolBroken(said)
        case 1013:
            return Unreachable(said)
        case 3000 | 4001 | 4401:
            return KeyRejected(said)
        case _:
            return SessionLost(said)
