"""A house without walls: characters on fake models, clients in memory; tests give it `autojump_clock`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import structlog
import trio
from attrs import define
from hypothesis import settings

from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.nurseries.manager import LLMSessionManager
from neko.nurseries.ports import Ports
from neko.protocol.client import AudioFraming
from neko.telemetry.metrics import Metrics
from neko.testing.fake_model import FakeModels, FakeModelSession
from neko.testing.person import Person, open_person
from tests.eager_house import EagerHouse

# The default writes the values of all variables with a traceback: megabytes for one bug in a nursery.
structlog.configure(processors=[structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)])
# Other work on the machine makes no example wrong.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

CHARACTERS = """
[session]
prepare = "due"

[characters.Mimi]
prompt = "You are {LANLAN_NAME}."
[[characters.Mimi.examples]]
user = "Hi"
character = "<happy> Hello you!"

[characters.Taro]
[characters.Taro.session]
swap_deadline_s = 20
"""


@define
class FakeHouse:
    """`models` is what stands behind every character; `managers` are the characters."""

    models: FakeModels
    managers: dict[str, LLMSessionManager]
    metrics: Metrics

    def client(
        self, name: str = "Mimi", framing: AudioFraming = AudioFraming.BASE64
    ) -> AbstractAsyncContextManager[Person]:
        return open_person(self.managers[name], framing)

    @property
    def model(self) -> FakeModelSession:
        """The youngest model session."""
        return self.models.sessions[-1]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[FakeHouse]:
    config = ConfigManager(parse(CHARACTERS, "neko.toml"), OverrideStore.in_folder(tmp_path))
    models = FakeModels()
    ports = Ports(models.connect, lambda _snapshot, _mode: None)
    managers = {name: LLMSessionManager(name, config, ports) for name in config.names}
    async with trio.open_nursery() as nursery:
        for manager in managers.values():
            await nursery.start(manager.run)
        yield FakeHouse(models, managers, ports.metrics)
        nursery.cancel_scope.cancel()


@pytest.fixture
async def eager(tmp_path: Path) -> AsyncIterator[EagerHouse]:
    house = EagerHouse(tmp_path)
    async with trio.open_nursery() as nursery:
        await nursery.start(house.mimi.run)
        yield house
        nursery.cancel_scope.cancel()


def _drop(_logger: object, _method: str, _event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    raise structlog.DropEvent


@pytest.fixture
def no_log() -> Iterator[None]:
    """Ten lines for each of ten thousand conversations would cost a fifth of the time."""
    before = structlog.get_config()
    structlog.configure(processors=[_drop])
    yield
    structlog.configure(**before)
