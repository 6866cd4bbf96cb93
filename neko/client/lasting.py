"""A line that comes back by itself when its connection breaks, and goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from math import inf
from random import uniform
from typing import TYPE_CHECKING

import trio

from neko.client.errors import ClientError, ConnectionLost, ServerBusy, ServerDraining, Unreachable
from neko.client.line import OneLine
from neko.client.outgoing import Outgoing
from neko.conversation.backoff import Backoff
from neko.protocol.client import EndSession, MicFormat, PauseSession, Resume, StartSession
from neko.protocol.codec import write_client
from neko.protocol.errors import StatusCode
from neko.protocol.server import Pong, ServerMessage, SessionEndedByServer, SessionFailed, SessionStarted, Status

if TYPE_CHECKING:
    from neko.protocol.client import ClientFrame

GIVES_UP_AFTER_S = 60.0  # twice what a session waits for its client; a server that needs longer is not coming back
FIRST_S, LONGEST_S = 0.5, 15.0  # of waiting before an attempt, at most; half of what a session waits for its client
ANSWERED_WITHIN_S = 10.0  # whether the conversation goes on; a server tells at once
FRAMES = 64  # messages between the socket and whoever receives; a full channel pushes back on the server
BROKEN = frozenset({1006, 1011})  # closed by nobody, or because of an error over there; all else was meant
BEGUN_ANEW = "the conversation could not be gone on with after the connection broke; a new one begins"

Dial = Callable[[], AbstractAsyncContextManager[OneLine]]
"""A connection, closed when the context is left; raises a `ClientError` when there is none."""


class LastingLine:
    """A `Line` over connections that `run` makes one after the other.

    What is sent while there is none waits. After a break the session is resumed: each message of the server comes once,
    and what the server did not get is sent again, once. When nothing can be resumed, the session is started anew, and
    `receive` brings a `Status` that says so.
    """

    def __init__(
        self, dial: Dial, on_break: Callable[[ConnectionLost], None], draw: Callable[[float, float], float] = uniform
    ) -> None:
        self._dial = dial
        self._on_break = on_break
        self._draw = draw
        self._outgoing = Outgoing()
        self._into, self._messages = trio.open_memory_channel[ServerMessage](FRAMES)
        self._ended: ClientError | None = None
        self._token: str | None = None  # of the session that runs
        self._start: StartSession | None = None  # what it was asked for with
        self._mic: MicFormat | None = None
        self.seq = 0
        """The number of the last message that came whole."""

    async def send(self, message: ClientFrame | bytes) -> None:
        """Waits until it is taken down, not until it has arrived; sound never waits."""
        if self._ended is not None:
            raise self._ended
        match message:
            case StartSession():
                self._start = message
            case EndSession() | PauseSession():
                self._start = self._token = None
            case MicFormat():
                self._mic = message
        await self._outgoing.put(message if isinstance(message, bytes) else write_client(message))
        if self._ended is not None:
            raise self._ended

    async def receive(self) -> ServerMessage:
        try:
            return await self._messages.receive()
        except trio.EndOfChannel:
            assert self._ended is not None  # `run` says why before it ends the channel
            raise self._ended from None

    async def sent(self) -> None:
        """Returns when nothing waits to be sent, or the line is over."""
        await self._outgoing.empty()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until the line is over for good. Started when the first connection is there; raises when there is none."""
        with self._into:
            async with self._dial() as line:
                task_status.started()
                over = await self._converse(line)
            while isinstance(over, ConnectionLost) and over.code in BROKEN:
                self._on_break(over)
                again = await self._come_back()
                if again is None:
                    break
                over = again
            self._ended = over
            self._outgoing.end()

    async def _converse(self, line: OneLine) -> ClientError:
        """Both ways, until the connection is over; why it is."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, line)
            over = await self._read(line)
            nursery.cancel_scope.cancel()
        return over

    async def _read(self, line: OneLine) -> ClientError:
        try:
            while True:
                await self._pass_on(await line.receive(), line)
        except ClientError as error:
            return error

    async def _write(self, line: OneLine) -> None:
        try:
            while True:
                await line.send_frame(await self._outgoing.take())
        except ClientError:
            return  # whoever reads learns it as well, after what has still arrived

    async def _pass_on(self, message: ServerMessage, line: OneLine) -> None:
        self.seq = line.seq or self.seq
        match message:
            case SessionStarted():
                self._token = message.resume_token
            case SessionFailed() | SessionEndedByServer():
                self._token = self._start = None
            case Pong(received=int(received)):
                self._outgoing.arrived(received)
        await self._into.send(message)

    async def _come_back(self) -> ClientError | None:
        """Connects and goes on; why that ended. None when it was in vain."""
        with trio.move_on_after(GIVES_UP_AFTER_S) as patience:
            backoff = Backoff(FIRST_S, LONGEST_S, self._draw)
            while True:
                await trio.sleep(backoff.next_s())
                try:
                    async with self._dial() as line:
                        with trio.fail_after(ANSWERED_WITHIN_S):
                            await self._introduce(line)
                        patience.deadline = inf
                        return await self._converse(line)
                except (Unreachable, ServerBusy, ServerDraining, ConnectionLost, trio.TooSlowError):
                    continue
                except ClientError as error:
                    return error
        return None

    async def _introduce(self, line: OneLine) -> None:
        """What comes first on a new connection, until it is known what goes on."""
        if self._token is None:
            await self._begin_anew()
            return
        await line.send(Resume(self._token, self.seq, ack=True))
        answer = await line.receive()
        match answer:
            case Pong(received=int(received)):
                self._outgoing.back_to(received)
            case Status(code=StatusCode.INVALID_VALUE):
                await self._begin_anew()
            case Status(code=StatusCode.SERVER_BUSY):
                raise ServerBusy(answer.details)
            case _:
                # A server that does not tell: what has left is not sent again.
                self._outgoing.forget()
                await self._pass_on(answer, line)

    async def _begin_anew(self) -> None:
        if self._start is not None:
            await self._into.send(Status(StatusCode.CHARACTER_DISCONNECTED, BEGUN_ANEW))
        self._outgoing.forget()
        self._token, self.seq = None, 0
        first = [each for each in (self._start, self._mic) if each is not None]
        self._outgoing.put_first(*map(write_client, first))
