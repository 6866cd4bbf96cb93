"""A house with nobody real in it, and its door on a loopback port."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import h11
import httpx
import trio
from attrs import define, field, frozen
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from neko.config.errors import ConfigError, StorageError, UnknownCharacter
from neko.config.model import Character, Configuration, Server
from neko.conversation.history import Role, Utterance
from neko.sockets import Socket
from neko.telemetry.metrics import Metrics
from neko.web.house import Health, HealthState
from neko.web.listener import open_listeners, serve_web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

LOOPBACK = "127.0.0.1"
UPGRADE = {
    "connection": "upgrade",
    "upgrade": "websocket",
    "sec_websocket_version": "13",
    "sec_websocket_key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


@frozen
class FakeManager:
    lanlan_name: str
    history: tuple[Utterance, ...] = ()


@define
class FakeConfig:
    """Keeps the last change; refuses a provider that is called nowhere."""

    configuration: Configuration
    overridden: dict[str, Mapping[str, object]] = field(factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.configuration.characters)

    @property
    def first(self) -> str:
        return self.names[0]

    def change(self, name: str, keys: Mapping[str, object]) -> Character:
        if keys.get("provider") == "nowhere":
            raise ConfigError("request", "provider is 'nowhere'; accepted: local")
        if keys.get("language") == "kept nowhere":
            raise StorageError("/proc/x/overrides.json", "No such file or directory")
        self.overridden[name] = keys
        return self.configuration.characters[name]

    def drop_overrides(self, name: str) -> Character:
        self.overridden.pop(name, None)
        return self.configuration.characters[name]

    def describe(self, name: str) -> dict[str, object]:
        if name not in self.configuration.characters:
            raise UnknownCharacter(name)
        character = self.configuration.characters[name]
        return {"name": name, "language": character.language, **self.overridden.get(name, {})}


@frozen
class NothingKept:
    def knows(self, name: str) -> bool:
        return False


NOTHING_KEPT = NothingKept()


@define
class FakeHouse:
    config: Any
    managers: Any
    state: HealthState = HealthState.READY
    local: list[str | bytes] = field(factory=list)
    metrics: Metrics = field(factory=Metrics)
    memory: Any = NOTHING_KEPT

    def change(self, name: str, keys: Mapping[str, object]) -> None:
        self.config.change(name, keys)

    def drop_overrides(self, name: str) -> None:
        self.config.drop_overrides(name)

    def health(self) -> Health:
        return Health(self.state, {"local": "2 characters"})

    async def serve_local(self, websocket: Socket) -> None:
        self.local.append(await websocket.receive())
        await websocket.send("session.created")


def fake_house(**server: Any) -> FakeHouse:
    characters = {"Yui": Character(), "小天": Character(language="zh")}
    configuration = Configuration(server=Server(**server), providers={}, characters=characters)
    managers = {name: FakeManager(name, (Utterance(Role.USER, "hello", 1_700_000_000.0),)) for name in characters}
    return FakeHouse(FakeConfig(configuration), managers)


async def echo(websocket: Socket, manager: FakeManager, framing: str) -> None:
    """Stands in for `serve_connection`: says each message back, with who says it."""
    while True:
        message = await websocket.receive()
        said = message if isinstance(message, str) else f"{len(message)} bytes"
        await websocket.send(f"{manager.lanlan_name} ({framing}): {said}")


@frozen
class Web:
    port: int

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, trust_env=False)

    async def tcp(self) -> trio.SocketStream:
        return await trio.open_tcp_stream(LOOPBACK, self.port)

    @asynccontextmanager
    async def socket(
        self, path: str, headers: Mapping[str, str] | None = None, protocols: tuple[str, ...] = ()
    ) -> AsyncIterator[WebSocketConnection]:
        """A WebSocket over a stream of our own: trio-websocket 0.12 leaves a client's stream open after a close."""
        extra = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        async with await self.tcp() as stream, trio.open_nursery() as nursery:
            yield await wrap_client_stream(
                nursery, stream, f"{LOOPBACK}:{self.port}", path, subprotocols=protocols, extra_headers=extra
            )
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_web(house: FakeHouse) -> AsyncIterator[Web]:
    listeners = await open_listeners(LOOPBACK, 0)
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_web, house, listeners)
        yield Web(listeners[0].socket.getsockname()[1])
        nursery.cancel_scope.cancel()


async def told(websocket: WebSocketConnection) -> tuple[list[str | bytes], int]:
    """What the server says until it closes, and the close code."""
    frames: list[str | bytes] = []
    try:
        while True:
            frames.append(await websocket.get_message())
    except ConnectionClosed as closed:
        return frames, closed.reason.code if closed.reason else 1006


async def read_all(stream: trio.SocketStream) -> bytes:
    return b"".join([bytes(chunk) async for chunk in stream])


@frozen
class Answer:
    status: int
    body: bytes

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and error code."""
        return self.status, json.loads(self.body)["error"]["code"]


async def ask(stream: trio.SocketStream, path: str, **headers: str) -> Answer:
    """One GET on a connection that stays open after it."""
    client = h11.Connection(h11.CLIENT)
    named: list[tuple[str, str]] = [
        ("host", "neko"),
        *((name.replace("_", "-"), value) for name, value in headers.items()),
    ]
    request = h11.Request(method="GET", target=path, headers=named)
    await stream.send_all((client.send(request) or b"") + (client.send(h11.EndOfMessage()) or b""))
    status, body = 0, b""
    while not isinstance(event := client.next_event(), h11.EndOfMessage):
        match event:
            case h11.InformationalResponse():
                return Answer(event.status_code, b"")
            case h11.Response():
                status = event.status_code
            case h11.Data():
                body += event.data
            case _:
                client.receive_data(bytes(await stream.receive_some()))
    return Answer(status, body)
