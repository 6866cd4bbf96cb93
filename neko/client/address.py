"""Where a character lives: the WebSocket URL of a name."""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

from neko.client.errors import BadAddress

_SCHEMES = {"ws": "ws", "http": "ws", "wss": "wss", "https": "wss"}
_ROUTE = "/ws/"


def websocket_url(url: str, character: str | None = None) -> str:
    """`url` as the WebSocket URL of `character`; a name that `url` already carries (`…/ws/Yui`) gives way to it.

    Takes `ws`, `wss`, `http` and `https`, with or without a path before `/ws/` (a proxy's), and keeps the query.

    Raises:
        BadAddress: another scheme, no host, or no character in either place.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise BadAddress(f"{url!r} is no server address; accepted: ws://, wss://, http:// or https:// and a host")
    prefix, route, name = parts.path.partition(_ROUTE)
    if character is None and not (route and name):
        raise BadAddress(f"{url!r} names no character; add /ws/NAME to it")
    # "%" stays: a name inside a URL is encoded already, or is plain text that has none.
    encoded = quote(name, safe="%") if character is None else quote(character, safe="")
    path = prefix.rstrip("/") + _ROUTE + encoded
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, parts.query, ""))
