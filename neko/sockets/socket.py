"""The seam between neko and a WebSocket library: what a socket does, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Taken = Callable[[str | bytes], bool]
"""Does with a message all that is to be done, or nothing and answers False."""


def nobody_takes(_: object) -> bool:
    return False


class SocketClosed(Exception):
    """Nothing more comes or goes. `code` is the one that the other side gave; None when it vanished."""

    def __init__(self, code: int | None = None, reason: str = "") -> None:
        super().__init__(f"closed with {code} {reason}".rstrip() if code else "the connection broke")
        self.code = code
        self.reason = reason


class Socket(Protocol):
    """An open WebSocket. One task sends, one task receives; any may ping or close it.

    A cancel in `send` leaves half a frame behind, after which the socket can only be closed; one in `receive` loses
    nothing.
    """

    async def send(self, *frames: str | bytes) -> None:
        """Messages in this order, with no message of anybody else between them: text for `str`, binary for `bytes`.

        Waits while the other side is slow. Raises `SocketClosed`.
        """
        ...

    def send_now(self, *frames: str | bytes) -> bool:
        """`send`, where nothing has to be waited for: True when all of it is on the line.

        False: not all is, or nothing. The next thing that is sent must be these frames again, by `send`, which sends
        what is left of them and raises whatever is wrong.
        """
        ...

    async def receive(self, taken: Taken = nobody_takes) -> str | bytes:
        """The next message. Raises `SocketClosed` after the last one.

        While this waits, `taken` may be asked whether it takes a message, by the task in which it arrives: that saves a
        turn of the event loop. Whoever receives must be ready to do with any message what `taken` does.
        """
        ...

    async def ping(self) -> None:
        """Returns when the other side has answered: what was sent before has arrived then. Raises `SocketClosed`."""
        ...

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Says goodbye and waits for the answer; the caller limits how long. Closing twice is fine."""
        ...
