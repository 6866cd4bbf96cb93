"""How a provider can fail: what the client is told about it, and what helps."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import ClassVar

import trio
from attrs import frozen

from neko.protocol.errors import StatusCode


@frozen
class Refusal:
    """An answer in HTTP that is none: `code` is the vendor's own word for it, where there is one."""

    status: int
    said: str
    code: str = ""
    retry_after_s: float | None = None


class ProviderError(Exception):
    """A provider's error; it ends a model session, never the process.

    `said` is what happened, `advice` what the person can do about it. `passing` errors may be gone with the next try;
    `lasting` ones are not before somebody has done something.
    """

    code: ClassVar[StatusCode] = StatusCode.API_UNKNOWN_ERROR
    advice: ClassVar[str] = ""
    passing: ClassVar[bool] = False
    lasting: ClassVar[bool] = False

    def __init__(self, said: str, *, retry_after_s: float | None = None, refusal: Refusal | None = None) -> None:
        super().__init__(said)
        self.said = said
        self.retry_after_s = retry_after_s
        self.refusal = refusal

    @property
    def details(self) -> str:
        """What happened, and what to do: in one sentence, or in another one where the vendor's words end theirs."""
        what_helps = self.advice if self.retry_after_s is None else f"try again in {ceil(self.retry_after_s)} s"
        if not what_helps:
            return self.said
        ended = self.said.endswith((".", "!", "。"))
        return f"{self.said} {what_helps.capitalize()}." if ended else f"{self.said}; {what_helps}"

    def __str__(self) -> str:
        return self.details


class KeyRejected(ProviderError):
    code = StatusCode.API_KEY_REJECTED
    advice = "check the key in the environment variable that api_key_env names"
    lasting = True


class KeyMissing(KeyRejected):
    """No key was sent, for there is none; the text says where it belongs."""

    advice = ""


class Arrears(ProviderError):
    code = StatusCode.API_ARREARS
    advice = "top up the account with the provider"
    lasting = True


class QuotaExceeded(ProviderError):
    """What the plan allows for a day or a month is used up: no debt, and not over in a moment either."""

    code = StatusCode.API_RATE_LIMIT
    advice = "raise the plan's limit with the provider, or wait until it is renewed"
    lasting = True


class RateLimited(ProviderError):
    code = StatusCode.API_RATE_LIMIT
    advice = "try again in a moment, or raise the limit with the provider"
    passing = True


class PolicyViolation(ProviderError):
    code = StatusCode.API_POLICY_VIOLATION
    advice = "say it in another way, or change the character's prompt"


class Misconfigured(ProviderError):
    """There is a provider, and it does not know what it is asked for."""

    advice = "check kind, url and model of the provider"
    lasting = True


class Unreachable(ProviderError):
    code = StatusCode.API_UNREACHABLE
    advice = "check the provider's url and the network, or try again in a moment"
    passing = True


class ProviderFault(ProviderError):
    """It fails, and says that this is its own fault."""

    advice = "try again in a moment"
    passing = True


class ProtocolBroken(ProviderError):
    """One side does not understand the other."""

    advice = "check kind and url of the provider"


class SessionLost(ProviderError):
    """A session that was up ended without being asked to."""

    code = StatusCode.API_UNREACHABLE
    passing = True


class SessionExpired(SessionLost):
    """It has reached the age that its provider allows."""


class NotReady(ProviderError):
    """What the session needs is not there, or not yet; the text says what to do."""

    code = StatusCode.SESSION_START_FAILED
    passing = True


class VoiceUnavailable(ProviderError):
    """The character cannot speak as configured."""

    code = StatusCode.TTS_CONNECTION_FAILED


Kind = type[ProviderError]
"""What an error is, before anything was said about it."""

_BY_HTTP_STATUS: dict[int, Kind] = {
    400: Misconfigured,
    401: KeyRejected,
    402: Arrears,
    403: KeyRejected,
    404: Misconfigured,
    429: RateLimited,
    500: ProviderFault,
    502: Unreachable,
    503: Unreachable,
    504: Unreachable,
}


def refused(who: str, refusal: Refusal, codes: Mapping[str, Kind] | None = None) -> ProviderError:
    """The error for an answer with which `who` refused a request or a handshake.

    What the vendor's own code means (`codes`) goes before what the HTTP status does.
    """
    kind = (codes or {}).get(refusal.code) or _BY_HTTP_STATUS.get(refusal.status, ProviderError)
    said = f"{who} answered HTTP {refusal.status}{': ' + refusal.said if refusal.said else ''}"
    return kind(said, retry_after_s=refusal.retry_after_s, refusal=refusal)


def only_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error in a group, whatever was cancelled beside it; the group itself when there are more or none."""
    _, rest = group.split(trio.Cancelled)
    error: BaseException | None = rest
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return group if error is None or isinstance(error, BaseExceptionGroup) else error
