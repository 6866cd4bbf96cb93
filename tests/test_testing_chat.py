"""The loopback chat endpoint: each reply and misbehaviour, as what a client got."""

from __future__ import annotations

import struct
from contextlib import asynccontextmanager
from socket import SO_LINGER, SOL_SOCKET
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import pytest
import trio

from neko.testing import Chat, ChatReply, open_chat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ASK = {"model": "qwen3:4b", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}


@asynccontextmanager
async def talking(*replies: ChatReply) -> AsyncIterator[tuple[Chat, httpx.AsyncClient]]:
    async with open_chat(*replies) as chat, httpx.AsyncClient(base_url=chat.url, trust_env=False) as client:
        yield chat, client


async def lines(client: httpx.AsyncClient, **more: Any) -> AsyncIterator[str]:
    async with client.stream("POST", "/chat/completions", json=ASK | more) as response:
        assert response.headers["content-type"] == "text/event-stream"
        async for line in response.aiter_lines():
            if line:
                yield line  # noqa: ASYNC119  # read to its end


async def read_into(got: list[str | None], client: httpx.AsyncClient) -> None:
    async for line in lines(client):
        got.append(content(line))  # noqa: PERF401  # what comes before an error counts


def content(line: str) -> str | None:
    chunk = orjson.loads(line.removeprefix("data: "))
    return chunk["choices"][0]["delta"].get("content")  # type: ignore[no-any-return]


async def test_a_reply_streams_piece_by_piece() -> None:
    async with talking(ChatReply(pieces=("Hi", " you", "."))) as (_, client):
        got = [line async for line in lines(client)]
        assert [content(line) for line in got[:-1]] == ["Hi", " you", ".", None]
        assert orjson.loads(got[-2].removeprefix("data: "))["choices"][0]["finish_reason"] == "stop"
        assert got[-1] == "data: [DONE]"


async def test_usage_comes_when_it_is_asked_for() -> None:
    async with talking() as (_, client):
        got = [line async for line in lines(client, stream_options={"include_usage": True})]
        assert orjson.loads(got[-2].removeprefix("data: "))["usage"]["completion_tokens"] == 4


async def test_a_reply_comes_whole_without_streaming() -> None:
    async with talking() as (_, client):
        answer = (await client.post("/chat/completions", json=ASK | {"stream": False})).json()
        assert answer["choices"][0]["message"] == {"role": "assistant", "content": "Nice to meet you."}


async def test_requests_are_on_record_and_share_a_connection() -> None:
    async with talking(ChatReply(pieces=("one",)), ChatReply(pieces=("two",))) as (chat, client):
        said = []
        for _ in range(3):
            said += [content(line) async for line in lines(client) if "content" in line]
        assert said == ["one", "two", "two"]
        assert [request.body for request in chat.requests] == [ASK] * 3
        assert chat.requests[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "invalid_api_key"), (402, "insufficient_quota"), (429, "rate_limit_exceeded"), (500, None)],
)
async def test_a_refusal_carries_the_error_object(status: int, code: str | None) -> None:
    async with talking(ChatReply(refuse_status=status), ChatReply()) as (_, client):
        answer = await client.post("/chat/completions", json=ASK)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert [line async for line in lines(client)][-1] == "data: [DONE]"


async def test_a_stream_may_be_cut() -> None:
    async with talking(ChatReply(cut_after=2)) as (chat, client):
        got = list[str | None]()
        with pytest.raises(httpx.ReadError):
            await read_into(got, client)
        assert got == ["Nice ", "to "]
        await chat.streams(0)


async def test_a_stream_may_carry_garbage() -> None:
    async with talking(ChatReply(garbage_after=1)) as (_, client):
        got = [line async for line in lines(client)]
        with pytest.raises(orjson.JSONDecodeError):
            content(got[1])
        assert [content(line) for line in (got[0], *got[2:-1])] == ["Nice ", "to ", "meet ", "you.", None]


async def test_leaving_a_stalled_stream_closes_it() -> None:
    async with talking(ChatReply(stall_after=2)) as (chat, client):
        got = []
        with trio.move_on_after(5) as waiting:
            async for line in lines(client):
                got.append(content(line))
                if len(got) == 2:
                    assert chat.open_streams == 1
                    waiting.deadline = trio.current_time() + 0.02
        assert got == ["Nice ", "to "]
        with trio.fail_after(2):
            await chat.streams(0)


async def test_pieces_take_their_time() -> None:
    async with talking(ChatReply(pieces=("a", "b"), first_after_s=0.01, piece_after_s=0.02)) as (_, client):
        begun = trio.current_time()
        assert [line async for line in lines(client)][-1] == "data: [DONE]"
        assert trio.current_time() - begun >= 0.03


async def test_models_are_listed_and_other_paths_are_not_found() -> None:
    async with talking() as (_, client):
        assert (await client.get("/models")).json()["data"][0]["id"] == "loopback"
        assert (await client.get("/files")).status_code == 404


@pytest.mark.parametrize("body", [b"{", b"[]"])
async def test_a_body_that_is_no_json_object_is_a_bad_request(body: bytes) -> None:
    async with talking() as (chat, client):
        assert (await client.post("/chat/completions", content=body)).status_code == 400
        assert chat.requests == []


async def test_a_client_that_speaks_no_http_is_left() -> None:
    async with talking() as (chat, _):
        host, _, port = chat.url.removeprefix("http://").removesuffix("/v1").partition(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(b"\x16\x03\x01 no HTTP at all\r\n\r\n")
            with trio.fail_after(2):
                assert await stream.receive_some() == b""


async def test_a_client_that_resets_its_connection_ends_nothing_but_that() -> None:
    async with talking(ChatReply(stall_after=1), ChatReply()) as (chat, client):
        body = orjson.dumps(ASK)
        host, _, port = chat.url.removeprefix("http://").removesuffix("/v1").partition(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: loopback\r\nContent-Length: {len(body)}\r\n\r\n"
            await stream.send_all(head.encode() + body)
            await chat.request()
            stream.socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        with trio.fail_after(2):
            await chat.streams(0)
        assert [line async for line in lines(client)][-1] == "data: [DONE]"


async def test_a_connection_is_closed_when_the_client_asks_for_it() -> None:
    async with talking() as (_, client):
        answer = await client.get("/models", headers={"Connection": "close"})
        assert answer.status_code == 200
        assert (await client.get("/models")).status_code == 200
