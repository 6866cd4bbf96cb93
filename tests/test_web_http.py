"""The HTTP side of the port: the page, health, REST for characters, and its errors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from neko.web.house import HealthState
from neko.web.pages import CONTENT_TYPES, FOLDER
from neko.web.rest import MAX_BODY
from tests.web_house import UPGRADE, FakeHouse, Web, ask, fake_house, open_web, read_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx


@pytest.fixture
def house() -> FakeHouse:
    return fake_house()


@pytest.fixture
async def web(house: FakeHouse) -> AsyncIterator[Web]:
    async with open_web(house) as web:
        yield web


@pytest.fixture
async def http(web: Web) -> AsyncIterator[httpx.AsyncClient]:
    async with web.http() as http:
        yield http


def error_code(response: httpx.Response) -> str:
    assert set(response.json()["error"]) == {"code", "details"}
    return str(response.json()["error"]["code"])


async def test_the_page_and_its_files_come_with_their_types_and_a_strict_policy(http: httpx.AsyncClient) -> None:
    page = await http.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"
    for path in FOLDER.iterdir():
        asset = await http.get(f"/page/{path.name}")
        assert (asset.status_code, asset.headers["content-type"]) == (200, CONTENT_TYPES[path.suffix])
        assert asset.content == path.read_bytes()


async def test_the_page_never_names_another_host() -> None:
    named = {host for path in FOLDER.iterdir() for host in re.findall(r"https?://[\w.]+", path.read_text())}
    assert named <= {"http://www.w3.org"}  # a namespace, not an address


async def test_a_file_that_is_not_there_is_a_json_404(http: httpx.AsyncClient) -> None:
    for path in ("/page/..%2Frest.py", "/page/none.js", "/nothing"):
        response = await http.get(path)
        assert (response.status_code, error_code(response)) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("state", "status", "said"),
    [(HealthState.READY, 200, "ok"), (HealthState.STARTING, 503, "starting"), (HealthState.DRAINING, 503, "draining")],
)
async def test_health(house: FakeHouse, http: httpx.AsyncClient, state: HealthState, status: int, said: str) -> None:
    house.state = state
    response = await http.get("/health")
    assert response.status_code == status
    assert response.json() == {"status": said, "detail": {"local": "2 characters"}}


async def test_characters_are_listed_in_the_order_of_the_configuration(http: httpx.AsyncClient) -> None:
    response = await http.get("/api/characters")
    assert response.json() == {
        "characters": [{"name": "Yui", "language": "en"}, {"name": "小天", "language": "zh"}],
    }


async def test_one_character_by_its_chinese_name(http: httpx.AsyncClient) -> None:
    response = await http.get(f"/api/characters/{quote('小天')}")
    assert response.json() == {"name": "小天", "language": "zh"}


async def test_a_change_answers_with_the_whole_character_and_can_be_dropped(
    house: FakeHouse, http: httpx.AsyncClient
) -> None:
    changed = await http.put("/api/characters/Yui", json={"voice": "nova"})
    assert changed.json() == {"name": "Yui", "language": "en", "voice": "nova"}
    assert house.config.overridden == {"Yui": {"voice": "nova"}}
    dropped = await http.delete("/api/characters/Yui/overrides")
    assert dropped.json() == {"name": "Yui", "language": "en"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"provider": "nowhere"}', "INVALID_VALUE"),
        (b"{", "INVALID_JSON"),
        (b"[1]", "INVALID_JSON"),
        (b"", "INVALID_JSON"),
    ],
)
async def test_a_change_that_cannot_be_is_a_400(
    house: FakeHouse, http: httpx.AsyncClient, body: bytes, code: str
) -> None:
    response = await http.put("/api/characters/Yui", content=body)
    assert (response.status_code, error_code(response)) == (400, code)
    assert house.config.overridden == {}


async def test_a_body_too_big_is_a_413_and_the_connection_lives_on(http: httpx.AsyncClient) -> None:
    response = await http.put("/api/characters/Yui", content=b" " * (MAX_BODY + 1))
    assert (response.status_code, error_code(response)) == (413, "MESSAGE_TOO_BIG")
    assert (await http.get("/health")).status_code == 200


@pytest.mark.parametrize("path", ["/api/characters/Mimi", "/api/characters/Mimi/history"])
async def test_an_unknown_character_is_a_404(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path)
    assert (response.status_code, error_code(response)) == (404, "UNKNOWN_CHARACTER")
    assert "'Mimi'" in response.json()["error"]["details"]


async def test_a_change_that_cannot_be_stored_is_a_500_with_the_sentence(http: httpx.AsyncClient) -> None:
    response = await http.put("/api/characters/Yui", json={"language": "kept nowhere"})
    assert (response.status_code, error_code(response)) == (500, "SERVER_ERROR")
    assert response.json()["error"]["details"].startswith("/proc/x/overrides.json: cannot be written: ")


@pytest.mark.parametrize("path", ["/ws/Yui", f"/ws/{quote('小天')}", "/v1/realtime?model=local"])
async def test_a_plain_get_of_a_websocket_says_that_it_is_one(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path)
    assert (response.status_code, error_code(response)) == (426, "NEEDS_WEBSOCKET")
    assert "this is a WebSocket" in response.json()["error"]["details"]
    assert (response.headers["upgrade"], response.headers["connection"]) == ("websocket", "Upgrade")


async def test_a_method_that_is_not_served_is_a_405_that_names_those_that_are(http: httpx.AsyncClient) -> None:
    response = await http.delete("/api/characters/Yui")
    assert (response.status_code, error_code(response)) == (405, "METHOD_NOT_ALLOWED")
    assert {"GET", "PUT"} <= {method.strip() for method in response.headers["allow"].split(",")}


async def test_the_history_is_told_oldest_first(http: httpx.AsyncClient) -> None:
    response = await http.get("/api/characters/Yui/history")
    assert response.json() == {
        "name": "Yui",
        "history": [{"role": "user", "text": "hello", "at": 1_700_000_000.0}],
    }


async def test_a_bug_in_a_handler_is_a_500_and_ends_nothing_else(house: FakeHouse, http: httpx.AsyncClient) -> None:
    managers, house.managers = house.managers, None
    response = await http.get("/api/characters/Yui/history")
    assert (response.status_code, error_code(response)) == (500, "SERVER_ERROR")
    house.managers = managers
    assert (await http.get("/api/characters/Yui/history")).status_code == 200


async def test_two_requests_share_a_connection(web: Web) -> None:
    async with await web.tcp() as stream:
        answers = [await ask(stream, "/health"), await ask(stream, "/", connection="close")]
        assert [answer.status for answer in answers] == [200, 200]
        assert await read_all(stream) == b""


async def test_an_upgrade_on_a_connection_that_served_http_is_refused(web: Web) -> None:
    async with await web.tcp() as stream:
        assert (await ask(stream, "/health")).status == 200
        assert (await ask(stream, "/ws/Yui", **UPGRADE)).refusal == (409, "NEEDS_NEW_CONNECTION")
