"""What can be wrong with a frame, and the codes that a client reads."""

from __future__ import annotations

from enum import StrEnum


class StatusCode(StrEnum):
    """Every `code` that a `status` frame may carry."""

    INVALID_JSON = "INVALID_JSON"
    INVALID_VALUE = "INVALID_VALUE"
    INVALID_INPUT_TYPE = "INVALID_INPUT_TYPE"
    INVALID_AUDIO = "INVALID_AUDIO"
    UNKNOWN_ACTION = "UNKNOWN_ACTION"
    MESSAGE_TOO_BIG = "MESSAGE_TOO_BIG"
    SESSION_START_FAILED = "SESSION_START_FAILED"
    API_KEY_REJECTED = "API_KEY_REJECTED"
    API_ARREARS = "API_ARREARS"
    API_RATE_LIMIT = "API_RATE_LIMIT"
    API_POLICY_VIOLATION = "API_POLICY_VIOLATION"
    API_UNREACHABLE = "API_UNREACHABLE"
    API_UNKNOWN_ERROR = "API_UNKNOWN_ERROR"
    TTS_CONNECTION_FAILED = "TTS_CONNECTION_FAILED"
    SWAP_FAILED = "SWAP_FAILED"
    CHARACTER_SWITCHING_TERMINAL = "CHARACTER_SWITCHING_TERMINAL"
    CHARACTER_LEFT = "CHARACTER_LEFT"
    CHARACTER_DISCONNECTED = "CHARACTER_DISCONNECTED"
    SERVER_BUSY = "SERVER_BUSY"
    SERVER_DRAINING = "SERVER_DRAINING"
    SERVER_ERROR = "SERVER_ERROR"
    UNAUTHORIZED = "UNAUTHORIZED"


class WireError(Exception):
    """One frame cannot be understood. It ends that message, never the connection."""

    def __init__(self, code: StatusCode, details: str) -> None:
        super().__init__(f"{code}: {details}")
        self.code = code
        self.details = details
