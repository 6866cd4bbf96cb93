"""How an OpenAI endpoint refuses over HTTP: the error object of each status."""

from __future__ import annotations

from typing import Any

# (type, code, message), as https://platform.openai.com/docs/guides/error-codes describes them.
_REASONS: dict[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "We could not parse the JSON body of your request."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    402: ("insufficient_quota", "insufficient_quota", "Your account has no credit left."),
    403: (
        "invalid_request_error",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported.",
    ),
    404: ("invalid_request_error", "unknown_url", "Unknown request URL."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    500: ("server_error", None, "The server had an error while processing your request."),
    503: ("server_error", None, "The engine is currently overloaded, please try again later."),
}


def refusal(status: int) -> dict[str, Any]:
    """The JSON body that goes with an HTTP status; an unlisted one is answered like a 500."""
    kind, code, message = _REASONS.get(status, _REASONS[500])
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
