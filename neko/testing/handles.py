"""Resume handles: which conversation each belongs to, and which conversations still have a socket."""

from __future__ import annotations

from itertools import count


class UnknownHandle(Exception):
    """Nobody gave this handle out."""


class HandleInUse(Exception):
    """The conversation's last socket is still open."""


class Handles:
    """The handles of one provider. Every session begins or resumes before it issues one, and closes in the end."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._conversations: dict[str, str] = {}  # of the handles
        self._open: dict[str, str] = {}  # conversations of the sessions that have a socket

    def begin(self, session_id: str) -> None:
        """A conversation of its own."""
        self._open[session_id] = session_id

    def resume(self, session_id: str, handle: str) -> None:
        """Goes on with the conversation of a handle.

        Raises:
            UnknownHandle, HandleInUse
        """
        conversation = self._conversations.get(handle)
        if conversation is None:
            raise UnknownHandle(handle)
        if conversation in self._open.values():
            raise HandleInUse(handle)
        self._open[session_id] = conversation

    def issue(self, session_id: str) -> str:
        handle = f"handle_{next(self._numbers)}"
        self._conversations[handle] = self._open[session_id]
        return handle

    def closed(self, session_id: str) -> None:
        self._open.pop(session_id, None)
