"""One character whose next model session always waits, and what a person does there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trio.testing import wait_all_tasks_blocked

from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.nurseries.manager import LLMSessionManager
from neko.nurseries.ports import Describe, Ports
from neko.realtime.errors import SessionLost
from neko.realtime.session import (
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    UserSaid,
)
from neko.testing.fake_model import FakeModels, FakeModelSession
from neko.testing.fake_tools import FakeTools
from neko.testing.person import Person

CHARACTERS = """
[characters.Mimi]
[characters.Mimi.session]
max_turns = 3
keep_warm_s = 20
"""
HZ = 24_000
GONE = SessionLost("the provider closed with 1011")


class EagerHouse:
    """`mimi` is the character; her task is started by whoever builds this."""

    def __init__(self, folder: Path, characters: str = CHARACTERS, describe: Describe | None = None) -> None:
        self.config = ConfigManager(parse(characters, "neko.toml"), OverrideStore.in_folder(folder))
        self.models = FakeModels()
        self.tools: dict[str, Any] = {}
        self.durable: set[str] = set()
        tools = FakeTools(self.tools, self.durable)
        self.ports = Ports(self.models.connect, lambda _snapshot, _mode: None, describe=describe, tools=tools)
        self.mimi = LLMSessionManager("Mimi", self.config, self.ports)

    @property
    def current(self) -> FakeModelSession:
        session = self.mimi.session
        assert isinstance(session, FakeModelSession)
        return session

    @property
    def pending(self) -> list[FakeModelSession]:
        return [session for session in self.models.live if session is not self.current]

    async def turn(self, number: int) -> None:
        """The person says something, and is answered."""
        said = (SpeechStarted(), SpeechStopped(), UserSaid(f"question {number}"), ReplyStarted(f"r{number}"))
        answered = (TextDelta(f"r{number}", f"answer {number}"), ReplyDone(f"r{number}", ReplyStatus.COMPLETED))
        self.current.say(*said, *answered)
        await wait_all_tasks_blocked()

    async def news(self, text: str) -> None:
        """An agent has something to tell."""
        self.mimi.pending_agent_callbacks.append(text)
        await self.mimi.trigger_agent_callbacks()
        await wait_all_tasks_blocked()


async def start(person: Person, kind: str = "audio") -> None:
    await person.send("start_session", input_type=kind)
    await wait_all_tasks_blocked()


async def speak(person: Person, ms: int) -> None:
    """The microphone, at the model's rate."""
    await person.send("stream_data", input_type="audio", data=[7] * (HZ * ms // 1000), sample_rate=HZ)
    await wait_all_tasks_blocked()


async def ask(person: Person, text: str) -> None:
    """Typed words."""
    await person.send("stream_data", input_type="text", data=text)
    await wait_all_tasks_blocked()


async def wish(person: Person, when: str, **keys: str) -> None:
    """Another voice, unless another wish is named."""
    await person.send("swap_session", when=when, **(keys or {"voice": "calm"}))
    await wait_all_tasks_blocked()


def swaps(person: Person) -> list[tuple[str, float, float]]:
    return [(f["reason"], f["gap_ms"], f["lost_ms"]) for f in person.of("neko.session_swapped")]
