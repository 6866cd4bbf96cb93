"""Who may come in: the token, and the pages whose scripts may call."""

from __future__ import annotations

from hmac import compare_digest
from http import HTTPStatus
from os import environ
from typing import TYPE_CHECKING

from attrs import field, frozen

from neko.protocol.errors import StatusCode
from neko.web.refusal import ErrorCode, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.datastructures import Headers, QueryParams

UNAUTHORIZED = "the token is missing or wrong; present it as ?token=… or in the header Authorization: Bearer …"


@frozen
class Access:
    """What a visitor must show. Without a token everybody on this network may come in."""

    token: str | None = field(repr=False)
    allowed_origins: frozenset[str]

    def knows_token(self, query: QueryParams, headers: Headers) -> bool:
        """Whether the token stands in the query or in the Authorization header; True when none is asked for."""
        if self.token is None:
            return True
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        shown = (query.get("token", ""), bearer.strip() if scheme.lower() == "bearer" else "")
        # As bytes: compare_digest takes no str beyond ASCII.
        return any(compare_digest(value.encode(), self.token.encode()) for value in shown)

    def is_foreign(self, headers: Headers) -> bool:
        """Whether a browser sends this for a page of another site. Programs send no Origin and are never foreign."""
        origin = headers.get("origin")
        if origin is None or origin in self.allowed_origins:
            return False
        return not origin.lower().endswith(f"://{headers.get('host', '').lower()}")


def read_access(token_env: str, allowed_origins: Iterable[str]) -> Access:
    """The access rules as the configuration names them; an empty variable counts as not set."""
    return Access(environ.get(token_env) or None, frozenset(allowed_origins))


def unauthorized() -> Refusal:
    headers = ((b"www-authenticate", b"Bearer"),)
    return Refusal(HTTPStatus.UNAUTHORIZED, StatusCode.UNAUTHORIZED, UNAUTHORIZED, headers)


def foreign(headers: Headers) -> Refusal:
    details = f"the origin {headers.get('origin', '')!r} is not this server's; add it to server.allowed_origins"
    return Refusal(HTTPStatus.FORBIDDEN, ErrorCode.FOREIGN_ORIGIN, details)
