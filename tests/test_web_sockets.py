"""WebSocket upgrades: who is served by whom, and how the others are turned away."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import Request, TextMessage

from neko.protocol.codec import MAX_FRAME
from neko.web.house import HealthState
from tests.web_house import UPGRADE, FakeHouse, Web, ask, echo, fake_house, open_web, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(autouse=True)
def talk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neko.web.sockets.serve_connection", echo)


@pytest.fixture
def house() -> FakeHouse:
    return fake_house(audio_frames="binary")


@pytest.fixture
async def web(house: FakeHouse) -> AsyncIterator[Web]:
    async with open_web(house) as web:
        yield web


async def rejection(web: Web, path: str) -> tuple[int, str]:
    """Status and code of an upgrade that is refused in HTTP."""
    async with await web.tcp() as stream:
        return (await ask(stream, path, **UPGRADE)).refusal


async def test_a_client_talks_to_the_character_it_names_with_the_configured_framing(web: Web) -> None:
    async with web.socket("/ws/Yui") as websocket:
        await websocket.send_message("hello")
        assert await websocket.get_message() == "Yui (binary): hello"
        await websocket.send_message(bytes(640))
        assert await websocket.get_message() == "Yui (binary): 640 bytes"


async def test_a_chinese_name_comes_url_encoded(web: Web) -> None:
    async with web.socket(f"/ws/{quote('小天')}") as websocket:
        await websocket.send_message("你好")
        assert await websocket.get_message() == "小天 (binary): 你好"


async def test_an_unknown_character_is_told_where_to_go(web: Web) -> None:
    async with web.socket(f"/ws/{quote('咪咪')}") as websocket:
        frames, code = await told(websocket)
    assert [json.loads(frame) for frame in frames] == [
        {"type": "catgirl_switched", "new_catgirl": "Yui", "old_catgirl": "咪咪", "seq": 1}
    ]
    assert code == 4004


async def test_frames_in_the_same_segment_as_the_handshake_are_not_lost(web: Web) -> None:
    client = WSConnection(ConnectionType.CLIENT)
    handshake = client.send(Request(host="neko", target="/ws/Yui"))
    # wsproto sends no frame before the answer: final text frame, five bytes, masked with zeros.
    frame = bytes([0x81, 0x80 | 5, 0, 0, 0, 0]) + b"early"
    async with await web.tcp() as stream:
        await stream.send_all(handshake + frame)
        said: list[str] = []
        while not said:
            client.receive_data(bytes(await stream.receive_some()))
            said = [str(event.data) for event in client.events() if isinstance(event, TextMessage)]
    assert said == ["Yui (binary): early"]


async def test_a_frame_of_four_mebibytes_is_taken_and_a_bigger_one_closes_with_1009(web: Web) -> None:
    async with web.socket("/ws/Yui") as websocket:
        await websocket.send_message(bytes(MAX_FRAME))
        assert await websocket.get_message() == f"Yui (binary): {MAX_FRAME} bytes"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(websocket.send_message, bytes(2 * MAX_FRAME))
            frames, code = await told(websocket)
            nursery.cancel_scope.cancel()
    assert (frames, code) == ([], 1009)


async def test_realtime_clients_reach_the_embedded_provider(house: FakeHouse, web: Web) -> None:
    async with web.socket("/v1/realtime?model=local", protocols=("realtime", "other")) as websocket:
        assert websocket.subprotocol == "realtime"
        await websocket.send_message("session.update")
        frames, code = await told(websocket)
    assert house.local == ["session.update"]
    assert (frames, code) == (["session.created"], 1000)


async def test_a_subprotocol_that_is_not_ours_is_not_agreed_to(web: Web) -> None:
    async with web.socket("/v1/realtime?model=local", protocols=("other",)) as websocket:
        assert websocket.subprotocol is None


@pytest.mark.parametrize("path", ["/v1/realtime?model=gpt", "/v1/realtime"])
async def test_other_models_are_not_here(web: Web, path: str) -> None:
    assert await rejection(web, path) == (404, "UNKNOWN_MODEL")


async def test_no_websocket_lives_elsewhere(web: Web) -> None:
    assert await rejection(web, "/health") == (404, "UNKNOWN_ROUTE")


async def test_a_draining_house_takes_no_new_sockets(house: FakeHouse, web: Web) -> None:
    async with web.socket("/ws/Yui") as websocket:
        house.state = HealthState.DRAINING
        assert await rejection(web, "/ws/Yui") == (503, "SERVER_DRAINING")
        assert await rejection(web, "/v1/realtime?model=local") == (503, "SERVER_DRAINING")
        await websocket.send_message("still here")
        assert await websocket.get_message() == "Yui (binary): still here"


async def test_a_starting_house_takes_sockets(house: FakeHouse, web: Web) -> None:
    house.state = HealthState.STARTING
    async with web.socket("/ws/Yui") as websocket:
        await websocket.send_message("awake?")
        assert await websocket.get_message() == "Yui (binary): awake?"


async def test_a_conversation_that_breaks_ends_its_own_socket_only(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    async def break_down(*_: object) -> None:
        raise RuntimeError("a bug")

    async with web.socket("/ws/Yui") as good:
        monkeypatch.setattr("neko.web.sockets.serve_connection", break_down)
        async with web.socket("/ws/Yui") as bad:
            assert await told(bad) == ([], 1006)
        await good.send_message("and you?")
        assert await good.get_message() == "Yui (binary): and you?"


async def test_leaving_the_web_closes_every_socket(house: FakeHouse) -> None:
    async with AsyncExitStack() as outlives_the_web:
        async with open_web(house) as web:
            silent = await outlives_the_web.enter_async_context(await web.tcp())
            talking = await outlives_the_web.enter_async_context(await web.tcp())
            assert (await ask(talking, "/ws/Yui", **UPGRADE)).status == 101
        assert await silent.receive_some() == b""
        assert await talking.receive_some() == b""
