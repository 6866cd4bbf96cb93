"""What each vendor says when something is wrong, and what the person is told: type, status code, sentence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
import trio

from neko.protocol.errors import StatusCode as Code
from neko.realtime.chat import ChatEndpoint, open_chat
from neko.realtime.dialects.base import Dialect, Setup
from neko.realtime.dialects.gemini import GeminiDialect
from neko.realtime.dialects.glm import GlmDialect
from neko.realtime.dialects.openai import OpenAiDialect
from neko.realtime.dialects.qwen import QwenDialect
from neko.realtime.dialects.step import StepDialect
from neko.realtime.errors import (
    Arrears,
    KeyRejected,
    Misconfigured,
    PolicyViolation,
    ProtocolBroken,
    ProviderError,
    ProviderFault,
    QuotaExceeded,
    RateLimited,
    Refusal,
    SessionExpired,
    SessionLost,
    Unreachable,
    refused,
)
from neko.realtime.omni_realtime import OmniRealtimeClient
from neko.realtime.refusals import refusal, retry_after_s
from neko.realtime.session import Complaint, ReplyDone, ReplyStatus
from neko.sockets import SocketClosed

DIALECTS: dict[str, type[Any]] = {
    "openai": OpenAiDialect,
    "qwen": QwenDialect,
    "glm": GlmDialect,
    "step": StepDialect,
    "gemini": GeminiDialect,
}
MONEY = "top up the account with the provider"
KEY = "check the key in the environment variable that api_key_env names"
SETTINGS = "check kind, url and model of the provider"
PATIENCE = "try again in a moment, or raise the limit with the provider"


def openai_error(code: str | None, kind: str = "invalid_request_error") -> bytes:
    body = f'{{"error": {{"message": "No.", "type": "{kind}", "param": null, "code": "{code}"}}}}'
    return body.replace('"None"', "null").encode()


def glm_error(code: str) -> bytes:
    return f'{{"error": {{"code": "{code}", "message": "不行。"}}}}'.encode()


def dashscope_error(code: str) -> bytes:
    return f'{{"code": "{code}", "message": "No.", "request_id": "r"}}'.encode()


def google_error(number: int, status: str) -> bytes:
    return f'{{"error": {{"code": {number}, "message": "No.", "status": "{status}"}}}}'.encode()


HANDSHAKES: list[tuple[str, int, bytes, type[ProviderError], Code, str]] = [
    ("openai", 401, openai_error("invalid_api_key"), KeyRejected, Code.API_KEY_REJECTED, KEY),
    ("openai", 429, openai_error("rate_limit_exceeded", "requests"), RateLimited, Code.API_RATE_LIMIT, PATIENCE),
    ("openai", 429, openai_error("insufficient_quota", "insufficient_quota"), Arrears, Code.API_ARREARS, MONEY),
    ("openai", 429, openai_error(None, "insufficient_quota"), Arrears, Code.API_ARREARS, MONEY),
    ("openai", 429, openai_error("credit_balance_exhausted"), Arrears, Code.API_ARREARS, MONEY),
    ("openai", 404, openai_error("model_not_found"), Misconfigured, Code.API_UNKNOWN_ERROR, SETTINGS),
    ("openai", 400, openai_error(None), Misconfigured, Code.API_UNKNOWN_ERROR, SETTINGS),
    ("openai", 500, openai_error(None, "server_error"), ProviderFault, Code.API_UNKNOWN_ERROR, "try again in a moment"),
    ("openai", 503, b"<html>busy</html>", Unreachable, Code.API_UNREACHABLE, Unreachable.advice),
    ("openai", 400, openai_error("OpperationNotSupported"), Misconfigured, Code.API_UNKNOWN_ERROR, SETTINGS),
    ("openai", 404, openai_error("DeploymentNotFound"), Misconfigured, Code.API_UNKNOWN_ERROR, SETTINGS),
    ("openai", 418, b"", ProviderError, Code.API_UNKNOWN_ERROR, ""),
    ("qwen", 401, dashscope_error("InvalidApiKey"), KeyRejected, Code.API_KEY_REJECTED, KEY),
    ("qwen", 400, dashscope_error("Arrearage"), Arrears, Code.API_ARREARS, MONEY),
    ("qwen", 429, dashscope_error("Throttling.RateQuota"), RateLimited, Code.API_RATE_LIMIT, PATIENCE),
    ("qwen", 404, dashscope_error("ModelNotFound"), Misconfigured, Code.API_UNKNOWN_ERROR, SETTINGS),
    ("glm", 401, glm_error("1002"), KeyRejected, Code.API_KEY_REJECTED, KEY),
    ("glm", 429, glm_error("1113"), Arrears, Code.API_ARREARS, MONEY),
    ("glm", 429, glm_error("1302"), RateLimited, Code.API_RATE_LIMIT, PATIENCE),
    ("glm", 429, glm_error("1304"), QuotaExceeded, Code.API_RATE_LIMIT, QuotaExceeded.advice),
    ("glm", 400, glm_error("1211"), Misconfigured, Code.API_UNKNOWN_ERROR, SETTINGS),
    ("glm", 400, glm_error("1301"), PolicyViolation, Code.API_POLICY_VIOLATION, PolicyViolation.advice),
    ("step", 401, openai_error("invalid_api_key"), KeyRejected, Code.API_KEY_REJECTED, KEY),
    ("step", 402, b"", Arrears, Code.API_ARREARS, MONEY),
    ("gemini", 403, google_error(403, "PERMISSION_DENIED"), KeyRejected, Code.API_KEY_REJECTED, KEY),
    ("gemini", 429, google_error(429, "RESOURCE_EXHAUSTED"), RateLimited, Code.API_RATE_LIMIT, PATIENCE),
    ("gemini", 404, google_error(404, "NOT_FOUND"), Misconfigured, Code.API_UNKNOWN_ERROR, SETTINGS),
    ("gemini", 503, google_error(503, "UNAVAILABLE"), Unreachable, Code.API_UNREACHABLE, Unreachable.advice),
]


@pytest.mark.parametrize(("vendor", "status", "body", "kind", "code", "advice"), HANDSHAKES)
def test_a_refused_handshake(
    vendor: str, status: int, body: bytes, kind: type[ProviderError], code: Code, advice: str
) -> None:
    error = refused("example.org", refusal(status, [], body, []), DIALECTS[vendor].codes)
    assert (type(error), error.code) == (kind, code)
    assert error.details.startswith(f"example.org answered HTTP {status}")
    assert advice.lower() in error.details.lower()


def error_event(code: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": "x", "code": code, "message": "Said so."}}


def google_frame(status: str) -> dict[str, Any]:
    return {"error": {"code": 1, "message": "Said so.", "status": status}}


EVENTS: list[tuple[str, dict[str, Any], type[ProviderError] | None]] = [
    ("openai", error_event("invalid_api_key"), KeyRejected),
    ("openai", error_event("insufficient_quota"), Arrears),
    ("openai", error_event("rate_limit_exceeded"), RateLimited),
    ("openai", error_event("session_expired"), SessionExpired),
    ("openai", error_event("content_policy_violation"), PolicyViolation),
    ("openai", error_event("invalid_value"), None),
    ("qwen", error_event("DataInspectionFailed"), PolicyViolation),
    ("qwen", error_event("Throttling.AllocationQuota"), RateLimited),
    ("qwen", error_event("InternalError"), ProviderFault),
    ("glm", error_event("1301"), PolicyViolation),
    ("glm", error_event("1310"), QuotaExceeded),
    ("glm", error_event("1003"), KeyRejected),
    ("glm", error_event("1234"), ProviderFault),
    ("step", error_event("session_expired"), SessionExpired),
    ("gemini", google_frame("UNAUTHENTICATED"), KeyRejected),
    ("gemini", google_frame("RESOURCE_EXHAUSTED"), RateLimited),
    ("gemini", google_frame("INVALID_ARGUMENT"), ProtocolBroken),
    ("gemini", google_frame("INTERNAL"), ProviderFault),
    ("gemini", google_frame("odd"), ProviderError),
]


@pytest.mark.parametrize(("vendor", "frame", "kind"), EVENTS)
def test_an_error_event(vendor: str, frame: dict[str, Any], kind: type[ProviderError] | None) -> None:
    failure = DIALECTS[vendor]().failure(frame)
    assert type(failure) is (kind or type(None))
    if failure is not None:
        assert failure.details.startswith("Said so.")
        assert failure.advice.lower() in failure.details.lower()


CLOSES: list[tuple[str, int | None, str, type[ProviderError]]] = [
    ("openai", 1001, "Your session hit the maximum duration of 60 minutes.", SessionLost),
    ("openai", 1002, "", ProtocolBroken),
    ("openai", 1007, "invalid payload", ProtocolBroken),
    ("openai", 1008, "policy", PolicyViolation),
    ("openai", 1011, "internal error", SessionLost),
    ("openai", 1013, "try again later", Unreachable),
    ("openai", 3000, "invalid_request_error.invalid_api_key", KeyRejected),
    ("openai", None, "", SessionLost),
    ("gemini", 1007, "API key not valid. Please pass a valid API key.", KeyRejected),
    ("gemini", 1007, "Invalid JSON payload received.", ProtocolBroken),
    ("gemini", 1011, "You exceeded your current quota.", RateLimited),
    ("gemini", 1011, "Your prepayment credits are depleted.", Arrears),
]


@pytest.mark.parametrize(("vendor", "code", "reason", "kind"), CLOSES)
async def test_a_close(vendor: str, code: int | None, reason: str, kind: type[ProviderError]) -> None:
    class Closed:
        async def receive(self, taken: object) -> str:
            raise SocketClosed(code, reason)

    with pytest.raises(kind) as caught:
        await OmniRealtimeClient(Closed(), DIALECTS[vendor]()).receive()  # type: ignore[arg-type]
    assert type(caught.value) is kind
    assert reason in caught.value.details


def failed_reply(**error: str) -> dict[str, Any]:
    details = {"type": "failed", "error": error}
    return {"type": "response.done", "response": {"id": "r", "status": "failed", "status_details": details}}


@pytest.mark.parametrize("vendor", ["openai", "qwen", "glm", "step"])
def test_a_reply_that_fails_says_why_and_the_session_lives_on(vendor: str) -> None:
    dialect: Dialect = DIALECTS[vendor]()
    dialect.open(Setup("", "default", "en", "m"))
    frame = failed_reply(type="requests", code="rate_limit_exceeded", message="Slowly.")
    assert dialect.failure(frame) is None
    complaint, done = dialect.read(frame)
    assert complaint == Complaint(
        Code.API_RATE_LIMIT, f"the provider could not answer: Slowly. {PATIENCE.capitalize()}."
    )
    assert done == ReplyDone("r", ReplyStatus.FAILED)


@pytest.mark.parametrize("vendor", ["openai", "qwen", "glm", "step"])
def test_a_reply_that_fails_for_want_of_money_ends_the_session(vendor: str) -> None:
    """As each one after it would fail: somebody else has to answer."""
    failure = DIALECTS[vendor]().failure(failed_reply(type="insufficient_quota"))
    assert type(failure) is Arrears
    assert failure.details == f"the provider could not answer: insufficient_quota; {MONEY}"


def test_a_filtered_reply_says_so() -> None:
    details = {"type": "incomplete", "reason": "content_filter"}
    frame = {"type": "response.done", "response": {"id": "r", "status": "incomplete", "status_details": details}}
    complaint, done = OpenAiDialect().read(frame)
    assert isinstance(complaint, Complaint)
    assert complaint.code is Code.API_POLICY_VIOLATION
    assert done == ReplyDone("r", ReplyStatus.COMPLETED)


def test_when_to_come_back() -> None:
    assert retry_after_s(None, None) is None
    assert retry_after_s(None, "7") == 7
    assert retry_after_s("1500", "7") == 1.5
    assert retry_after_s(None, "soon") is None
    assert retry_after_s(None, "999999") == 3600
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert retry_after_s(None, date) == pytest.approx(90, abs=3)
    assert retry_after_s(None, "Wed, 21 Oct 2015 07:28:00 GMT") == 0
    error = refused("x", Refusal(429, "No", retry_after_s=6.2))
    assert error.details == "x answered HTTP 429: No; try again in 7 s"


async def test_an_endpoint_over_http_is_read_in_the_same_way() -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(429, headers={"retry-after": "3"}, content=openai_error("insufficient_quota"))

    async with open_chat(ChatEndpoint("http://127.0.0.1:9/v1")) as chat:
        chat._client = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://x/")
        with pytest.raises(Arrears) as refusing:
            await chat.check()
        assert refusing.value.retry_after_s == 3
        await chat._client.aclose()
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("header", [("Authorization", "Bearer sk-mistyped"), ("x-goog-api-key", "sk-mistyped")])
def test_a_key_that_is_repeated_in_its_refusal_is_not_shown(header: tuple[str, str]) -> None:
    said = b'{"error": {"message": "Incorrect API key provided: sk-mistyped."}}'
    sent = [header, ("OpenAI-Beta", "realtime=v1")]
    assert refusal(401, [], said, sent).said == "Incorrect API key provided: [the key]."
