"""What is wrong with a client's event; it ends that event, never the session."""

from __future__ import annotations


class InvalidRequest(Exception):
    """Becomes an `error` event of type `invalid_request_error`."""

    def __init__(self, code: str, message: str, param: str | None = None, event_id: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.param = param
        self.event_id = event_id
        """The client's own id of the event, when it gave one."""
