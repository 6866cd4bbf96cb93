"""The page's files, read once and served from memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

FOLDER = Path(__file__).parent / "page"
ASSETS = "/page/"

# By suffix: what `mimetypes` says depends on the machine, and scripts need the right type under nosniff.
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",  # the address of the page may carry the token
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",  # the scripts belong to the server's version
}


@frozen
class Page:
    """The files by name; `index.html` is the page, the others stand under `/page/`."""

    files: Mapping[str, bytes]

    def routes(self) -> list[Route]:
        return [Route("/", self.index), Route(ASSETS + "{file}", self.asset)]

    async def index(self, _: Request) -> Response:
        return self._serve("index.html")

    async def asset(self, request: Request) -> Response:
        return self._serve(request.path_params["file"])

    def _serve(self, name: str) -> Response:
        if name not in self.files:
            raise HTTPException(404)
        return Response(self.files[name], headers=HEADERS, media_type=CONTENT_TYPES[Path(name).suffix])


def read_page() -> Page:
    return Page({path.name: path.read_bytes() for path in FOLDER.iterdir() if path.suffix in CONTENT_TYPES})
