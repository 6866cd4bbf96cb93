"""What the machine-readable codes of OpenAI's API and its kin mean, in error events and in refused handshakes.

Sources, as of November 2026: https://developers.openai.com/api/docs/guides/error-codes, the Realtime API reference
(`session_expired`), and for Azure https://learn.microsoft.com/answers/a/12820829 (how it spells its refusals). Of what
has run out, `insufficient_quota` and its like are about money: the plan's own limits are `rate_limit_exceeded`.
"""

from __future__ import annotations

from neko.realtime.errors import (
    Arrears,
    KeyRejected,
    Kind,
    Misconfigured,
    PolicyViolation,
    RateLimited,
    SessionExpired,
)

CODES: dict[str, Kind] = {
    "invalid_api_key": KeyRejected,
    "insufficient_quota": Arrears,
    "billing_hard_limit_reached": Arrears,
    "credit_balance_exhausted": Arrears,
    "rate_limit_exceeded": RateLimited,
    "session_expired": SessionExpired,
    "content_policy_violation": PolicyViolation,
    "model_not_found": Misconfigured,
    "DeploymentNotFound": Misconfigured,
    "OpperationNotSupported": Misconfigured,
}
