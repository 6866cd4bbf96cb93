"""What a thread does with translatepy. Imported in that thread only: it may not be there, and takes half a second."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import trio
from requests.adapters import HTTPAdapter
from translatepy import Translate
from translatepy.exceptions import TranslatepyException
from translatepy.utils.request import Request

from neko.translation.step import StepFailed

REQUEST_WITHIN = 5.0  # seconds for a connection, and for each silence after that; the library itself waits for ever
# What the library calls it: it has no names for scripts, and means the traditional one by "Old Chinese".
CODES = {"zh-Hant": "och"}


def translate(text: str, spoken: str, wanted: str, gateway: str) -> str:
    """Blocks. Raises `StepFailed`; in a thread that was abandoned `trio.Cancelled`, before its next request."""
    request = Request()
    request.session.mount("https://", Adapter(gateway))
    try:
        found = Translate(request=request).translate(text, _code(wanted), _code(spoken))
    except TranslatepyException as error:
        raise StepFailed(type(error).__name__) from error
    finally:
        request.session.close()
    return str(found.result)


class Adapter(HTTPAdapter):
    def __init__(self, gateway: str) -> None:
        super().__init__()
        self._gateway = urlsplit(gateway)

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        trio.from_thread.check_cancelled()
        if self._gateway.netloc:
            parts = urlsplit(request.url)
            request.headers["Host"] = parts.netloc
            request.url = urlunsplit((self._gateway.scheme, self._gateway.netloc, *parts[2:]))
            options["proxies"] = {}
        return super().send(request, *args, **options | {"timeout": REQUEST_WITHIN})


def _code(tag: str) -> str:
    return CODES.get(tag, tag.partition("-")[0])
