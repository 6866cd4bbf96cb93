"""How a provider can fail, by what the client is told about it."""

from __future__ import annotations

from typing import ClassVar

import trio

from neko.protocol.errors import StatusCode


class ProviderError(Exception):
    """A provider's error; it ends a model session, never the process. `details` says what to do."""

    code: ClassVar[StatusCode] = StatusCode.API_UNKNOWN_ERROR

    @property
    def details(self) -> str:
        return str(self)


class KeyRejected(ProviderError):
    code = StatusCode.API_KEY_REJECTED


class Arrears(ProviderError):
    code = StatusCode.API_ARREARS


class RateLimited(ProviderError):
    code = StatusCode.API_RATE_LIMIT


class PolicyViolation(ProviderError):
    code = StatusCode.API_POLICY_VIOLATION


class Unreachable(ProviderError):
    code = StatusCode.API_UNREACHABLE


class SessionLost(ProviderError):
    """A session that was up ended without being asked to."""

    code = StatusCode.API_UNREACHABLE


class NotReady(ProviderError):
    """What the session needs is not there, or not yet; the text says what to do."""

    code = StatusCode.SESSION_START_FAILED


class VoiceUnavailable(ProviderError):
    """The character cannot speak as configured."""

    code = StatusCode.TTS_CONNECTION_FAILED


_BY_HTTP_STATUS: dict[int, type[ProviderError]] = {
    401: KeyRejected,
    402: Arrears,
    403: KeyRejected,
    429: RateLimited,
    502: Unreachable,
    503: Unreachable,
    504: Unreachable,
}


def refused(status: int, who: str, said: str) -> ProviderError:
    """The error for an HTTP status with which `who` refused a request or a handshake."""
    error = _BY_HTTP_STATUS.get(status, ProviderError)
    return error(f"{who} answered HTTP {status}{': ' + said if said else ''}")


def only_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error in a group, whatever was cancelled beside it; the group itself when there are more or none."""
    _, rest = group.split(trio.Cancelled)
    error: BaseException | None = rest
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return group if error is None or isinstance(error, BaseExceptionGroup) else error
