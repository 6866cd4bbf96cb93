"""Health, metrics, and REST for characters: list, read, change."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
import trio
from attrs import frozen
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from neko.protocol.errors import StatusCode
from neko.web.house import HealthState
from neko.web.json import Json
from neko.web.past import PastRest
from neko.web.refusal import ErrorCode, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neko.web.house import House

MAX_BODY = 512 * 1024  # bytes; a prompt as long as the longest text a client may type (100,000), in Chinese UTF-8
BODY_WITHIN = 10.0  # s; that much over a poor phone line


@frozen
class Rest:
    """The endpoints over one house. They let `ConfigError` and `UnknownCharacter` pass to the application."""

    house: House

    def routes(self) -> list[Route]:
        name = "/api/characters/{name}"
        return [
            Route("/health", self.health),
            Route("/metrics", self.metrics),
            Route("/api/characters", self.characters),
            Route(name, self.character, methods=["GET", "PUT"]),
            *PastRest(self.house).routes(f"{name}/history"),
            Route(f"{name}/overrides", self.drop_overrides, methods=["DELETE"]),
        ]

    async def health(self, _: Request) -> Json:
        health = self.house.health()
        ready = health.state is HealthState.READY
        content = {"status": "ok" if ready else health.state, "detail": health.detail}
        return Json(content, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)

    async def metrics(self, request: Request) -> Response:
        text, content_type = self.house.metrics.exposition(request.headers.get("accept", ""))
        return Response(text, headers={"Content-Type": content_type})

    async def characters(self, _: Request) -> Json:
        """In the order of the configuration: the first is the one that lost clients are sent to."""
        return Json({"characters": [self.house.config.describe(name) for name in self.house.config.names]})

    async def character(self, request: Request) -> Json:
        name = request.path_params["name"]
        if request.method == "PUT":
            self.house.change(name, await read_object(request))
        return Json(self.house.config.describe(name))

    async def drop_overrides(self, request: Request) -> Json:
        name = request.path_params["name"]
        self.house.drop_overrides(name)
        return Json(self.house.config.describe(name))


async def read_object(request: Request) -> Mapping[str, object]:
    """The JSON object in the body.

    Raises:
        Refused: too big, too slow, cut off, or no JSON object.
    """
    try:
        with trio.fail_after(BODY_WITHIN):
            body = await _read_body(request)
    except trio.TooSlowError:
        details = f"the body did not arrive within {BODY_WITHIN:.0f} s"
        raise refuse(HTTPStatus.REQUEST_TIMEOUT, ErrorCode.BODY_TOO_SLOW, details) from None
    except ClientDisconnect:
        raise refuse(HTTPStatus.BAD_REQUEST, ErrorCode.BAD_REQUEST, "the body was cut off") from None
    try:
        keys = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise refuse(HTTPStatus.BAD_REQUEST, StatusCode.INVALID_JSON, f"the body is not JSON: {error}") from None
    if not isinstance(keys, dict):
        raise refuse(HTTPStatus.BAD_REQUEST, StatusCode.INVALID_JSON, "the body is JSON, but no object")
    return keys


async def _read_body(request: Request) -> bytes:
    """Reads to the end even what is too big: an answer given over unread bytes may be lost with the connection."""
    body, size = b"", 0
    async for chunk in request.stream():
        size += len(chunk)
        body = body + chunk if size <= MAX_BODY else b""
    if size > MAX_BODY:
        details = f"the body has {size:,} bytes; accepted: {MAX_BODY:,}"
        raise refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, StatusCode.MESSAGE_TOO_BIG, details)
    return body
