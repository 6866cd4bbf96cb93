"""The HTTP application: the page, health and REST, behind the guard."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from attrs import frozen
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from neko.config.errors import ConfigError, StorageError, UnknownCharacter
from neko.protocol.errors import StatusCode
from neko.telemetry import get_logger
from neko.web.access import foreign, unauthorized
from neko.web.pages import ASSETS, read_page
from neko.web.refusal import ErrorCode, Refusal, Refused
from neko.web.rest import Rest
from neko.web.sockets import CHARACTER_ROUTE, REALTIME_ROUTE

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send
    from starlette.websockets import WebSocket

    from neko.web.access import Access
    from neko.web.house import House

log = get_logger("web")

READING = frozenset({"GET", "HEAD", "OPTIONS"})
HEALTH = "/health"
LATE_UPGRADE = "this connection has served HTTP already; open a new one for a WebSocket"


def build_application(house: House, access: Access) -> Starlette:
    """An ASGI application without lifespan."""
    return Starlette(
        routes=[
            *read_page().routes(),
            *Rest(house).routes(),
            *(Route(path, _ask_for_websocket) for path in (f"{CHARACTER_ROUTE}{{name}}", REALTIME_ROUTE)),
            WebSocketRoute("/{path:path}", _refuse_late_upgrade),
        ],
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=sorted(access.allowed_origins),
                allow_methods=["GET", "PUT", "DELETE"],
                allow_headers=["Authorization", "Content-Type"],
            ),
            Middleware(Guard, access=access),
        ],
        exception_handlers={
            Refused: _refused,
            StorageError: _storage_error,
            ConfigError: _config_error,
            UnknownCharacter: _unknown_character,
            HTTPException: _http_error,
            Exception: _bug,
        },
    )


@frozen
class Guard:
    """Lets in who knows the token, and keeps scripts of foreign pages from changing anything."""

    app: ASGIApp
    access: Access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._judge(Request(scope)) if scope["type"] == "http" else None
        await (self.app if refusal is None else _answer(refusal))(scope, receive, send)

    def _judge(self, request: Request) -> Refusal | None:
        if request.method not in READING and self.access.is_foreign(request.headers):
            return foreign(request.headers)
        if is_open(request.url.path) or self.access.knows_token(request.query_params, request.headers):
            return None
        return unauthorized()


def is_open(path: str) -> bool:
    """What needs no token: health, for monitors that know none, and the page's own files, which are no secret."""
    return path == HEALTH or path.startswith(ASSETS)


def _answer(refusal: Refusal) -> Response:
    headers = {name.decode(): value.decode() for name, value in refusal.headers}
    return Response(refusal.body, refusal.status, headers, media_type="application/json")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _answer(error.refusal)


async def _config_error(_: Request, error: Exception) -> Response:
    return _answer(Refusal(HTTPStatus.BAD_REQUEST, StatusCode.INVALID_VALUE, str(error)))


async def _storage_error(_: Request, error: Exception) -> Response:
    log.error("overrides.not_stored", details=str(error))
    return _answer(Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, StatusCode.SERVER_ERROR, str(error)))


async def _unknown_character(_: Request, error: Exception) -> Response:
    details = f"{error}; GET /api/characters lists them"
    return _answer(Refusal(HTTPStatus.NOT_FOUND, ErrorCode.UNKNOWN_CHARACTER, details))


async def _http_error(request: Request, error: Exception) -> Response:
    """What the router says: no such route, or not this way."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    code = ErrorCode.METHOD_NOT_ALLOWED if status is HTTPStatus.METHOD_NOT_ALLOWED else ErrorCode.NOT_FOUND
    headers = tuple((name.encode(), value.encode()) for name, value in (error.headers or {}).items())
    return _answer(Refusal(status, code, f"{request.method} {request.url.path}: {status.phrase.lower()}", headers))


async def _bug(_: Request, __: Exception) -> Response:
    details = "the server made a mistake and wrote it to its log"
    return _answer(Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, StatusCode.SERVER_ERROR, details))


async def _ask_for_websocket(request: Request) -> Response:
    details = f"{request.url.path}: this is a WebSocket; connect with ws:// (over TLS wss://)"
    headers = ((b"upgrade", b"websocket"), (b"connection", b"Upgrade"))
    return _answer(Refusal(HTTPStatus.UPGRADE_REQUIRED, ErrorCode.NEEDS_WEBSOCKET, details, headers))


async def _refuse_late_upgrade(websocket: WebSocket) -> None:
    """An upgrade on a kept-alive connection has passed the listener by; browsers and libraries never send one."""
    refusal = Refusal(HTTPStatus.CONFLICT, ErrorCode.NEEDS_NEW_CONNECTION, LATE_UPGRADE)
    await websocket.send_denial_response(_answer(refusal))
