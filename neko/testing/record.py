"""What a test reads about a session: how it was asked for, and how it ended."""

from __future__ import annotations

from enum import StrEnum

from attrs import field, frozen

VANISHED = 1006  # RFC 6455: the socket ended without a close frame


class Party(StrEnum):
    CLIENT = "client"
    PROVIDER = "provider"


@frozen
class Ended:
    """Who ended a session, and the close code; 1006 without a closing handshake."""

    by: Party
    code: int


@frozen
class Handshake:
    """An upgrade request; header names in lower case."""

    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)
    subprotocols: tuple[str, ...]
