"""REST for what was said: read, searched, taken home and forgotten."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from http import HTTPStatus
from math import inf, isfinite, nextafter
from typing import TYPE_CHECKING
from urllib.parse import quote

import orjson
from attrs import frozen
from starlette.requests import Request
from starlette.routing import Route

from neko.config.errors import UnknownCharacter
from neko.memory.finding import Wanted
from neko.protocol.errors import StatusCode
from neko.web.json import Json
from neko.web.refusal import refuse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Receive, Scope, Send

    from neko.conversation.history import Utterance
    from neko.web.house import House

LIMIT, MOST = 100, 500  # utterances of one answer; 500 are 50 KiB of everyday talk
TOKEN = "token"  # the parameter that belongs to the door
NOT_ERASED = "forgotten, but the disk did not take that ({}): it is tried again until it does, as long as neko runs"


@frozen
class PastRest:
    """Also of characters that are gone from the configuration. Times are Unix seconds, as in `at`, or ISO 8601."""

    house: House

    def routes(self, path: str) -> list[Route]:
        return [
            Route(path, self.read),
            Route(path, self.forget, methods=["DELETE"]),
            Route(f"{path}/export", self.export),
        ]

    async def read(self, request: Request) -> Json:
        """`before`, `limit`, `q`: a page, oldest first. Without any of them what a character has at hand."""
        asked = _parameters(request, "before", "limit", "q")
        name = self._known(request)
        if asked:
            limit = _number(asked, "limit", LIMIT)
            wanted = Wanted(_time(asked, "before", inf), limit, asked.get("q", ""))
            try:
                found: Iterable[Utterance] = await self.house.memory.page(name, wanted)
            except sqlite3.Error as error:
                raise refuse(HTTPStatus.INTERNAL_SERVER_ERROR, StatusCode.SERVER_ERROR, str(error)) from error
        else:
            found = self._at_hand(name)
        return Json({"name": name, "history": [_told(each) for each in found]})

    async def export(self, request: Request) -> Export:
        """Everything, as one JSON file."""
        _parameters(request)
        name = self._known(request)
        return Export(self.house, name)

    async def forget(self, request: Request) -> Json:
        """All of it; or what was said from `since` on, `before` a moment, or `at` one."""
        asked = _parameters(request, "since", "before", "at")
        name = self._known(request)
        since, before = _time(asked, "since", -inf), _time(asked, "before", inf)
        if "at" in asked:
            if len(asked) > 1:
                raise _bad("at", asked["at"], "no other parameter beside it")
            since = _time(asked, "at", 0.0)
            before = nextafter(since, inf)
        self._forget(name, since, before)
        if not await self.house.memory.erased():
            details = NOT_ERASED.format(self.house.memory.trouble)
            raise refuse(HTTPStatus.INTERNAL_SERVER_ERROR, StatusCode.SERVER_ERROR, details)
        return Json({"name": name, "history": [_told(each) for each in self._at_hand(name)]})

    def _forget(self, name: str, since: float, before: float) -> None:
        manager = self.house.managers.get(name)
        if manager is not None:
            manager.forget(since, before)
        else:
            self.house.memory.of(name).history.forget(since, before)

    def _at_hand(self, name: str) -> Iterable[Utterance]:
        manager = self.house.managers.get(name)
        return manager.history if manager is not None else self.house.memory.of(name).history

    def _known(self, request: Request) -> str:
        name: str = request.path_params["name"]
        if name not in self.house.managers and not self.house.memory.knows(name):
            raise UnknownCharacter(name)
        return name


@frozen
class Export:
    """An answer that is read from the disk while it is sent, a piece at a time."""

    house: House
    name: str

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        file = quote(self.name, safe="")
        # The first name is for those who do not know the second, `curl -OJ` among them (RFC 6266, 4.3).
        disposition = f"attachment; filename=\"{file}.json\"; filename*=UTF-8''{file}.json"
        headers = [(b"content-type", b"application/json"), (b"content-disposition", disposition.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        text = b'{"name":' + orjson.dumps(self.name) + b',"history":['
        piece = await self.house.memory.after(self.name, -1)
        while piece:
            lines = (orjson.dumps(_told(each) | {"mood": each.mood}) for each in piece)
            await send({"type": "http.response.body", "body": text + b",\n".join(lines), "more_body": True})
            piece, text = await self.house.memory.after(self.name, piece[-1].number), b",\n"
        await send({"type": "http.response.body", "body": (b"" if text == b",\n" else text) + b"]}"})


def _told(utterance: Utterance) -> dict[str, object]:
    """Who took part in it is nobody's business."""
    return {"role": utterance.role, "text": utterance.text, "at": utterance.at}


def _parameters(request: Request, *known: str) -> dict[str, str]:
    """One that is not known is a mistake: misspelt, `before` would forget everything."""
    asked = {key: value for key, value in request.query_params.items() if key != TOKEN}
    for key in asked.keys() - set(known):
        accepted = ", ".join(known) or "none"
        details = f"the parameter {key} is not known here; accepted: {accepted}"
        raise refuse(HTTPStatus.BAD_REQUEST, StatusCode.INVALID_VALUE, details)
    return asked


def _number(asked: dict[str, str], key: str, otherwise: int) -> int:
    text = asked.get(key, str(otherwise))
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST)) and 1 <= int(text) <= MOST):
        raise _bad(key, text, f"a whole number from 1 to {MOST}")
    return int(text)


def _time(asked: dict[str, str], key: str, otherwise: float) -> float:
    if key not in asked:
        return otherwise
    try:
        seconds = float(asked[key])
    except ValueError:
        seconds = _date(asked[key])
    if not isfinite(seconds):
        raise _bad(key, asked[key], "Unix time in seconds, or a date such as 2026-11-03 or 2026-11-03T18:00:00Z")
    return seconds


def _date(text: str) -> float:
    """Not finite when it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return inf


def _bad(key: str, found: str, accepted: str) -> Exception:
    details = f"{key} is {found!r}; accepted: {accepted}"
    return refuse(HTTPStatus.BAD_REQUEST, StatusCode.INVALID_VALUE, details)
