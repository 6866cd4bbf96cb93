"""Who may come in: tokens, origins, and how many."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import trio

from tests.web_house import LOOPBACK, UPGRADE, FakeHouse, Web, ask, echo, fake_house, open_web, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOKEN = "open sesame"


@pytest.fixture(autouse=True)
def talk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neko.web.sockets.serve_connection", echo)


@pytest.fixture
async def open_door() -> AsyncIterator[Web]:
    async with open_web(fake_house(allowed_origins=("https://friend.example",))) as web:
        yield web


@pytest.fixture
async def guarded(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Web]:
    monkeypatch.setenv("NEKO_TOKEN", TOKEN)
    async with open_web(fake_house()) as web:
        yield web


async def test_without_the_token_every_route_but_health_and_the_pages_files_is_a_401(guarded: Web) -> None:
    async with guarded.http() as http:
        for path in ("/", "/api/characters", "/api/characters/Yui/history", "/?token=wrong", "/nothing"):
            response = await http.get(path)
            assert (response.status_code, response.json()["error"]["code"]) == (401, "UNAUTHORIZED")
        assert (await http.put("/api/characters/Yui", json={})).status_code == 401
        assert (await http.get("/health")).status_code == 200
        assert (await http.get("/page/style.css")).status_code == 200


async def test_the_token_is_taken_from_the_query_or_from_the_header(guarded: Web) -> None:
    async with guarded.http() as http:
        assert (await http.get("/api/characters", params={"token": TOKEN})).status_code == 200
    async with await guarded.tcp() as stream:
        assert (await ask(stream, "/api/characters", authorization=f"bearer {TOKEN}")).status == 200
        assert (await ask(stream, "/api/characters", authorization=f"Basic {TOKEN}")).status == 401


async def test_a_socket_without_the_token_is_told_so_and_closed_with_4401(guarded: Web) -> None:
    async with guarded.socket("/ws/Yui?token=wrong") as websocket:
        (frame,), code = await told(websocket)
    assert (json.loads(frame)["type"], json.loads(frame)["code"], code) == ("status", "UNAUTHORIZED", 4401)


async def test_a_socket_with_the_token_is_served(guarded: Web) -> None:
    async with guarded.socket("/ws/Yui?token=open%20sesame") as websocket:
        await websocket.send_message("hello")
        assert await websocket.get_message() == "Yui (base64): hello"


async def test_a_realtime_client_without_the_token_is_a_401_as_its_api_says(guarded: Web) -> None:
    async with await guarded.tcp() as stream:
        assert (await ask(stream, "/v1/realtime?model=local", **UPGRADE)).refusal == (401, "UNAUTHORIZED")


async def test_an_empty_token_variable_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEKO_TOKEN", "")
    async with open_web(fake_house()) as web, web.http() as http:
        assert (await http.get("/api/characters")).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1"])
async def test_scripts_of_foreign_pages_get_no_socket_and_change_nothing(open_door: Web, origin: str) -> None:
    async with await open_door.tcp() as stream:
        assert (await ask(stream, "/ws/Yui", origin=origin, **UPGRADE)).refusal == (403, "FOREIGN_ORIGIN")
    async with open_door.http() as http:
        for method, path in (("PUT", "/api/characters/Yui"), ("DELETE", "/api/characters/Yui/overrides")):
            response = await http.request(method, path, headers={"origin": origin})
            assert (response.status_code, response.json()["error"]["code"]) == (403, "FOREIGN_ORIGIN")


@pytest.mark.parametrize("own", [True, False])
async def test_scripts_of_the_same_origin_and_of_the_allowed_ones_come_in(open_door: Web, own: bool) -> None:
    origin = open_door.url if own else "https://friend.example"
    async with open_door.socket("/ws/Yui", {"origin": origin}) as websocket:
        await websocket.send_message("hello")
        assert await websocket.get_message() == "Yui (base64): hello"
    async with open_door.http() as http:
        changed = await http.put("/api/characters/Yui", json={"voice": "nova"}, headers={"origin": origin})
        assert changed.status_code == 200
        assert changed.headers.get("access-control-allow-origin") == (None if own else origin)


async def test_a_full_house_says_so_to_sockets_with_1013_and_to_http_with_503() -> None:
    house: FakeHouse = fake_house(max_connections=1)
    async with open_web(house) as web, web.socket("/ws/Yui") as first:
        await first.send_message("I came first")
        assert await first.get_message() == "Yui (base64): I came first"
        async with web.socket("/ws/Yui") as second:
            (frame,), code = await told(second)
            assert (json.loads(frame)["code"], code) == ("SERVER_BUSY", 1013)
        async with web.http() as http:
            response = await http.get("/")
            assert (response.status_code, response.json()["error"]["code"]) == (503, "SERVER_BUSY")
            assert (await http.get("/health")).status_code == 200


async def test_places_are_free_again_when_somebody_leaves() -> None:
    async with open_web(fake_house(max_connections=1)) as web:
        for _ in range(3):
            async with web.socket("/ws/Yui") as websocket:
                await websocket.send_message("hello")
                assert await websocket.get_message() == "Yui (base64): hello"
            await trio.testing.wait_all_tasks_blocked()


async def test_far_too_many_connections_are_closed_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neko.web.listener.TURNING_AWAY", 1)
    async with open_web(fake_house(max_connections=1)) as web:
        streams = [await web.tcp() for _ in range(2)]
        last = await trio.open_tcp_stream(LOOPBACK, web.port)
        assert await last.receive_some() == b""
        for stream in (*streams, last):
            await stream.aclose()
