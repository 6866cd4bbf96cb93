"""WebSocket upgrades: to whom a socket goes, and the words with which it is turned away."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, assert_never
from urllib.parse import unquote

import trio
from attrs import frozen
from trio_websocket import ConnectionClosed
from wsproto import ConnectionType, WSConnection
from wsproto.events import RejectConnection
from wsproto.utilities import RemoteProtocolError

from neko.nurseries.connection import serve_connection
from neko.protocol.client import AudioFraming
from neko.protocol.codec import MAX_FRAME, write_server
from neko.protocol.errors import StatusCode
from neko.protocol.server import CharacterSwitched, Status
from neko.sockets import Socket, SocketClosed, TrioSocket
from neko.sockets.lean import lean, prompt
from neko.sockets.lean_connection import lean_request
from neko.sockets.trio_socket import closed_as
from neko.web.access import UNAUTHORIZED, Access, foreign, unauthorized
from neko.web.house import HealthState
from neko.web.refusal import BUSY, ErrorCode, Refusal, Refused, busy, linger, refuse
from neko.web.replay import AnsweredFirst

if TYPE_CHECKING:
    from neko.nurseries.manager import LLMSessionManager
    from neko.web.head import Head
    from neko.web.house import House

CHARACTER_ROUTE = "/ws/"
REALTIME_ROUTE = "/v1/realtime"
REALTIME_PROTOCOL = "realtime"
LOCAL_MODEL = "local"

NORMAL = 1000
UNKNOWN_CHARACTER = 4004
UNAUTHORIZED_CLOSE = 4401
TRY_AGAIN_LATER = 1013

QUEUE = 64  # frames; while they wait, pings behind them are still answered
# Bytes: a burst of 18 frames of the microphone in one wake-up, instead of one or two. More would be read in one turn of
# the event loop, all of them dealt with before anybody else's first.
RECEIVE_BUFFER = 16 * 1024
MAX_APPEND = 21 * 1024 * 1024  # characters; the 15 MiB of sound that the OpenAI API takes in one append, as base64
ACCEPT_WITHIN = 5.0  # s; the head is here already, so only a client that stopped reading takes so long
GOODBYE_WITHIN = 2.0  # s for the closing handshake; a client that is alive answers in a round trip


@frozen
class Talk:
    manager: LLMSessionManager


@frozen
class Embedded:
    """The embedded provider, without a character."""


@frozen
class Goodbye:
    """Accepted only to be told why not: a browser's script cannot read the answer to a refused handshake."""

    message: CharacterSwitched | Status
    code: int


Welcome = Talk | Embedded | Goodbye


def decide(house: House, access: Access, head: Head, *, crowded: bool) -> Welcome:
    """To whom this upgrade goes.

    Raises:
        Refused: no handshake, or one that is answered in HTTP.
    """
    _check_handshake(head)
    if access.is_foreign(head.headers):
        raise Refused(foreign(head.headers))
    if house.health().state is HealthState.DRAINING:
        raise refuse(HTTPStatus.SERVICE_UNAVAILABLE, StatusCode.SERVER_DRAINING, "the server is closing; connect later")
    if head.path.startswith(CHARACTER_ROUTE):
        name = unquote(head.path.removeprefix(CHARACTER_ROUTE))
        return _for_character(house, name, known=access.knows_token(head.query, head.headers), crowded=crowded)
    if head.path == REALTIME_ROUTE:
        return _for_model(head.query.get("model"), known=access.knows_token(head.query, head.headers), crowded=crowded)
    details = f"no WebSocket here; accepted: {CHARACTER_ROUTE}{{character}} and {REALTIME_ROUTE}?model={LOCAL_MODEL}"
    raise refuse(HTTPStatus.NOT_FOUND, ErrorCode.UNKNOWN_ROUTE, details)


async def serve_socket(house: House, welcome: Welcome, stream: trio.SocketStream, head: Head) -> None:
    """Accepts the socket and serves it as decided, until it ends. Closes the WebSocket, not the stream."""
    async with trio.open_nursery() as nursery:
        with suppress(SocketClosed):
            if websocket := await _accept(nursery, welcome, stream, head):
                await _serve(house, welcome, websocket)
        # The reader of trio-websocket may wait for a client that will never speak again.
        nursery.cancel_scope.cancel()
    with trio.move_on_after(GOODBYE_WITHIN):
        await linger(stream)


def _check_handshake(head: Head) -> None:
    """Lets wsproto judge, before trio-websocket does: a handshake that fails there leaves its caller waiting."""
    judge = WSConnection(ConnectionType.SERVER)
    try:
        judge.receive_data(head.raw)
    except RemoteProtocolError as error:
        hint = error.event_hint if isinstance(error.event_hint, RejectConnection) else RejectConnection()
        details = f"no WebSocket handshake: {error}"
        refusal = Refusal(HTTPStatus(hint.status_code), ErrorCode.BAD_REQUEST, details, tuple(hint.headers))
        raise Refused(refusal) from None
    except UnicodeError as error:
        raise refuse(HTTPStatus.BAD_REQUEST, ErrorCode.BAD_REQUEST, f"no WebSocket handshake: {error}") from None


def _for_character(house: House, name: str, *, known: bool, crowded: bool) -> Talk | Goodbye:
    if not known:
        return Goodbye(Status(StatusCode.UNAUTHORIZED, UNAUTHORIZED), UNAUTHORIZED_CLOSE)
    if crowded:
        return Goodbye(Status(StatusCode.SERVER_BUSY, BUSY), TRY_AGAIN_LATER)
    manager = house.managers.get(name)
    if manager is None:
        return Goodbye(CharacterSwitched(new_character=house.config.first, old_character=name), UNKNOWN_CHARACTER)
    return Talk(manager)


def _for_model(model: str | None, *, known: bool, crowded: bool) -> Embedded:
    """In HTTP, as the OpenAI API answers: its clients know neither our frames nor our close codes."""
    if not known:
        raise Refused(unauthorized())
    if crowded:
        raise busy()
    if model != LOCAL_MODEL:
        details = f"unknown model {model!r}; accepted: {LOCAL_MODEL}"
        raise refuse(HTTPStatus.NOT_FOUND, ErrorCode.UNKNOWN_MODEL, details)
    return Embedded()


async def _accept(nursery: trio.Nursery, welcome: Welcome, stream: trio.SocketStream, head: Head) -> Socket | None:
    handshake = AnsweredFirst(lean(stream), head.raw, head.rest)
    with trio.move_on_after(ACCEPT_WITHIN):
        request = await lean_request(
            nursery,
            handshake,
            message_queue_size=QUEUE,
            max_message_size=_largest(welcome),
            receive_buffer_size=RECEIVE_BUFFER,
        )
        try:
            connection = await request.accept(subprotocol=_subprotocol(welcome, head))
        except ConnectionClosed as closed:
            raise closed_as(closed) from None
        return TrioSocket(connection, prompt(handshake.inner))
    return None


def _subprotocol(welcome: Welcome, head: Head) -> str | None:
    offered = head.headers.get("sec-websocket-protocol", "").split(",")
    speaks = isinstance(welcome, Embedded) and any(each.strip() == REALTIME_PROTOCOL for each in offered)
    return REALTIME_PROTOCOL if speaks else None


def _largest(welcome: Welcome) -> int:
    return MAX_APPEND if isinstance(welcome, Embedded) else MAX_FRAME


async def _serve(house: House, welcome: Welcome, websocket: Socket) -> None:
    match welcome:
        case Talk(manager) if house.managers.get(manager.lanlan_name) is not manager:
            # It moved out while the handshake went on.
            name = manager.lanlan_name
            await _serve(house, _for_character(house, name, known=True, crowded=False), websocket)
        case Talk(manager):
            framing = AudioFraming(house.config.configuration.server.audio_frames)
            await serve_connection(websocket, manager, framing)
            await _close(websocket, NORMAL)
        case Embedded():
            await house.serve_local(websocket)
            await _close(websocket, NORMAL)
        case Goodbye(message, code):
            await websocket.send(*write_server(message, 1, AudioFraming.BASE64))
            await _close(websocket, code)
        case _:
            assert_never(welcome)


async def _close(websocket: Socket, code: int) -> None:
    with trio.move_on_after(GOODBYE_WITHIN):
        await websocket.aclose(code)
