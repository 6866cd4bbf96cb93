"""One reply of an OpenAI-compatible chat completions endpoint, streamed over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpcore  # noqa: F401  # httpx imports it with the first client, for which everybody would wait 80 ms
import httpx
import orjson
from attrs import evolve, field, frozen

from neko.config.snapshot import Tool
from neko.realtime.chat_calls import Call, CallDeltas
from neko.realtime.codes import CODES
from neko.realtime.errors import ProtocolBroken, ProviderError, Unreachable, refused
from neko.realtime.refusals import SAID, refusal
from neko.realtime.trust import for_http
from neko.sockets.hanging_up import hang_up

# No limit for the answer: the caller's deadline decides. A connection on which nothing comes for a minute is dead.
_TIMEOUTS = httpx.Timeout(60.0, connect=5.0)
_DATA = "data:"
_DONE = "[DONE]"


@frozen
class ChatEndpoint:
    """Where a model answers: `{url}/chat/completions`."""

    url: str
    model: str = ""
    api_key: str | None = field(default=None, repr=False)
    options: Mapping[str, Any] = field(factory=dict)  # further fields of the request: temperature, max_tokens, …


class ChatModel:
    """Asks one endpoint over one pool of connections; made by `open_chat`, shared by any number of tasks."""

    def __init__(self, client: httpx.AsyncClient, endpoint: ChatEndpoint) -> None:
        self._client = client
        self._endpoint = endpoint

    @asynccontextmanager
    async def reply(self, messages: Sequence[Mapping[str, Any]]) -> AsyncIterator[AsyncIterator[str]]:
        """The pieces of the model's next message, as generated; leaving the context hangs up and so ends generation.

        Raises:
            ProviderError: the endpoint cannot be reached, refuses, or breaks off.
        """
        async with self._stream(messages) as deltas, aclosing(_words(deltas)) as pieces:
            yield pieces

    @asynccontextmanager
    async def answer(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Tool]
    ) -> AsyncIterator[AsyncIterator[str | Call]]:
        """As `reply`, by a model that may use tools: what it asks for comes after all words."""
        asked = {"tools": [{"type": "function", "function": _described(tool)} for tool in tools]} if tools else {}
        async with self._stream(messages, **asked) as deltas, aclosing(_words_and_calls(deltas)) as pieces:
            yield pieces

    @asynccontextmanager
    async def _stream(
        self, messages: Sequence[Mapping[str, Any]], **more: Any
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        body = {"model": self._endpoint.model, "messages": messages, "stream": True, **more, **self._endpoint.options}
        try:
            async with self._client.stream("POST", "chat/completions", json=body) as response:
                if not response.is_success:
                    await response.aread()
                    raise self._refused(response)
                async with _lines(response) as lines, aclosing(_deltas(lines)) as deltas:
                    yield deltas
        except httpx.RequestError as error:
            raise Unreachable(f"{self._endpoint.url} does not answer ({type(error).__name__}: {error})") from error

    def with_options(self, **options: Any) -> ChatModel:
        """The same endpoint over the same connections, asked with further fields."""
        return ChatModel(self._client, evolve(self._endpoint, options={**self._endpoint.options, **options}))

    async def check(self) -> None:
        """Raises `ProviderError` when the endpoint cannot be used; generates nothing."""
        try:
            response = await self._client.get("models")
        except httpx.RequestError as error:
            raise Unreachable(f"{self._endpoint.url} does not answer ({type(error).__name__}: {error})") from error
        if not response.is_success:
            raise self._refused(response)

    def _refused(self, response: httpx.Response) -> ProviderError:
        sent = response.request.headers.items()
        said = refusal(response.status_code, response.headers.items(), response.content, sent)
        return refused(self._endpoint.url, said, CODES)


@asynccontextmanager
async def open_chat(endpoint: ChatEndpoint) -> AsyncIterator[ChatModel]:
    """A `ChatModel` whose connections are closed when the context is left; connects at the first question."""
    headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    base = endpoint.url.rstrip("/") + "/"
    # trust_env=False: a proxy in the environment is not something that the user configured for neko.
    verify = await for_http(base)
    async with httpx.AsyncClient(
        base_url=base, headers=headers, timeout=_TIMEOUTS, verify=verify, trust_env=False
    ) as client:
        yield ChatModel(client, endpoint)


@asynccontextmanager
async def _lines(response: httpx.Response) -> AsyncIterator[AsyncIterator[str]]:
    """The response line by line; leaving hangs up."""
    lines = response.aiter_lines()
    try:
        yield lines
    finally:
        await hang_up(response, lines)  # noqa: ASYNC102 - it shields itself, with a deadline


async def _deltas(lines: AsyncIterator[str]) -> AsyncGenerator[dict[str, Any]]:
    finished = False
    async for line in lines:
        if not line.startswith(_DATA):
            continue
        data = line.removeprefix(_DATA).strip()
        if data == _DONE:
            return
        choice = _choice(data)
        # Which reason, no two servers agree on: some say "stop" after a call of a tool.
        finished = finished or choice.get("finish_reason") is not None
        yield choice.get("delta") or {}
    if not finished:  # not every server says [DONE]
        raise Unreachable("the model's answer broke off")


async def _words(deltas: AsyncIterator[Mapping[str, Any]]) -> AsyncGenerator[str]:
    async for delta in deltas:
        if content := delta.get("content"):
            yield str(content)


async def _words_and_calls(deltas: AsyncIterator[Mapping[str, Any]]) -> AsyncGenerator[str | Call]:
    calls = CallDeltas()
    async for delta in deltas:
        calls.push(delta)
        if content := delta.get("content"):
            yield str(content)
    for call in calls.calls():
        yield call


def _described(tool: Tool) -> dict[str, Any]:
    parameters = dict(tool.parameters) or {"type": "object", "properties": {}}
    return {"name": tool.name, "description": tool.description, "parameters": parameters}


def _choice(data: str) -> dict[str, Any]:
    try:
        chunk = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise ProtocolBroken(f"the model's answer holds a line that is not JSON: {data[:SAID]!r}") from None
    match chunk:
        case {"choices": [dict(choice), *_]}:
            return choice
        case {"error": {"message": str(message), **rest}}:
            raise CODES.get(str(rest.get("code")), ProviderError)(message)
        case _:
            return {}
