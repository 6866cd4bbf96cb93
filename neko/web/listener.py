"""One port for WebSockets and HTTP: accepts, reads the head, and hands the connection to who serves it."""

from __future__ import annotations

import logging
from contextlib import suppress
from errno import EACCES, EADDRINUSE
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import trio
from attrs import frozen
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext

from neko.telemetry import get_logger
from neko.web.access import Access, read_access
from neko.web.application import HEALTH, build_application
from neko.web.head import MAX_HEAD, Head, read_head
from neko.web.refusal import ErrorCode, Refused, busy, linger, refuse, written
from neko.web.replay import ReadInTime
from neko.web.sockets import decide, serve_socket

if TYPE_CHECKING:
    from neko.web.house import House

log = get_logger("web")

HEAD_WITHIN = 10.0  # s from accept; a browser opens connections ahead and may use them seconds later
ANSWER_WITHIN = 2.0  # s for a refusal to be read
KEEP_ALIVE = 5.0  # s that an HTTP connection may idle between requests; also bounds every later head
BODY_SILENCE = 30  # s without a byte of an HTTP body
TURNING_AWAY = 64  # connections above max_connections that are told so at a time; others are closed without a word
LISTENING_TASKS = 1  # of the connections' nursery: trio.serve_listeners


class CannotListen(Exception):
    """The address cannot be used. `str()` is one sentence: which address, why, what to do."""


async def open_listeners(host: str, port: int) -> list[trio.SocketListener]:
    """Listeners on every address that `host` names; port 0 lets the system choose.

    Raises:
        CannotListen: taken, forbidden, or not an address of this machine.
    """
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        raise CannotListen(_explain(host, port, error)) from error


async def serve_web(
    house: House, listeners: list[trio.SocketListener], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serves until it is cancelled; ready when `task_status` says so. Closes the listeners.

    No connection's failure ends it, nor any other connection.
    """
    server = house.config.configuration.server
    access = read_access(server.auth_token_env, server.allowed_origins)
    application = ASGIWrapper(cast("Any", build_application(house, access)))
    async with trio.open_nursery() as connections:
        door = Door(house, access, application, _hypercorn(), connections)
        serve = partial(trio.serve_listeners, door.meet, listeners, handler_nursery=connections)
        await connections.start(serve)
        task_status.started()


@frozen
class Door:
    """What every connection needs. `connections` has one task for each, and one for the listeners."""

    house: House
    access: Access
    application: ASGIWrapper
    hypercorn: Config
    connections: trio.Nursery

    async def meet(self, stream: trio.SocketStream) -> None:
        """One connection from accept to close. Raises nothing but Cancelled."""
        try:
            async with stream:
                await self._serve(stream)
        except* Exception as errors:
            log.exception("web.connection_failed", exc_info=errors)

    async def _serve(self, stream: trio.SocketStream) -> None:
        crowd = self._crowd()
        if crowd > TURNING_AWAY:
            return
        try:
            head = await _read_head_in_time(stream)
            if head is None:
                return
            if head.wants_websocket:
                welcome = decide(self.house, self.access, head, crowded=crowd > 0)
                await serve_socket(self.house, welcome, stream, head)
            else:
                await self._serve_http(stream, head, crowded=crowd > 0)
        except Refused as refused:
            await _turn_away(stream, refused)

    def _crowd(self) -> int:
        """How many more than there are places for; negative while there is room."""
        here = len(self.connections.child_tasks) - LISTENING_TASKS
        return here - self.house.config.configuration.server.max_connections

    async def _serve_http(self, stream: trio.SocketStream, head: Head, *, crowded: bool) -> None:
        # A full house is no sick house: monitors get their answer.
        if crowded and head.path != HEALTH:
            raise busy()
        replayed = ReadInTime(stream, head.raw + head.rest)
        # Typed for TLS; it asks for `do_handshake` and takes a stream without it for plain.
        await TCPServer(self.application, self.hypercorn, WorkerContext(None), {}, cast("Any", replayed)).run()


async def _read_head_in_time(stream: trio.SocketStream) -> Head | None:
    try:
        with trio.fail_after(HEAD_WITHIN):
            return await read_head(stream)
    except trio.BrokenResourceError:
        return None
    except trio.TooSlowError:
        details = f"no whole request within {HEAD_WITHIN:.0f} s"
        raise refuse(HTTPStatus.REQUEST_TIMEOUT, ErrorCode.HEAD_TOO_SLOW, details) from None


async def _turn_away(stream: trio.SocketStream, refused: Refused) -> None:
    refusal = refused.refusal
    log.info("web.refused", status=refusal.status.value, code=refusal.code, details=refusal.details)
    with trio.move_on_after(ANSWER_WITHIN), suppress(trio.BrokenResourceError):
        await stream.send_all(written(refusal))
        await linger(stream)


def _hypercorn() -> Config:
    config = Config()
    config.errorlog = logging.getLogger("neko.web")
    config.include_server_header = False
    config.h11_max_incomplete_size = MAX_HEAD
    config.keep_alive_timeout = KEEP_ALIVE
    config.read_timeout = BODY_SILENCE
    return config


def _explain(host: str, port: int, error: OSError) -> str:
    address = f"{host}:{port}"
    match error.errno:
        case value if value == EADDRINUSE:
            return f"{address} is taken by another program, perhaps another neko: stop it, or choose another --port"
        case value if value == EACCES:
            return f"{address} is not allowed here: ports below 1024 need privileges; choose another --port"
        case _:
            return f"cannot listen on {address}: {error.strerror or error}; choose another --host or --port"
