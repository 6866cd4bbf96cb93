"""The agent in `examples/agents`, as a program beside a server: what a client gets of it."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from neko.app import open_house
from neko.client import connect
from neko.client.character import CharacterClient
from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.conversation.callbacks import Fate
from neko.protocol.client import InputType
from neko.protocol.server import (
    AgentNotification,
    AgentStatusUpdate,
    AgentTaskUpdate,
    ReplyText,
    ServerMessage,
    TurnEnd,
)

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[1] / "examples" / "agents" / "notes.py"
ANY = "tcp://127.0.0.1:*"
CONFIG = f"""
[agents]
session_pub = "{ANY}"
result_pull = "{ANY}"
analyze_push = "{ANY}"
[providers.local]
kind = "local"
model = "scripted"
[characters.Yui]
"""
SOON_S = 60.0  # more than this is never, however busy the machine
APPOINTMENT = "The dentist expects you on Friday at nine."


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "appointments.txt").write_text(f"The concert begins at eight.\n{APPOINTMENT}\n", "utf-8")
    (folder / "shopping.txt").write_text("Bread, butter, tea.\n", "utf-8")
    return folder


async def until(client: CharacterClient, *wanted: type[ServerMessage]) -> list[ServerMessage]:
    """What comes until one of each kind has come, in order, the news and the beginnings and ends of replies alone."""
    missing = list(wanted)
    came: list[ServerMessage] = []
    async for message in client:
        if isinstance(message, AgentNotification | AgentTaskUpdate | TurnEnd) or (
            isinstance(message, ReplyText) and message.is_new
        ):
            came.append(message)
        if type(message) in missing:
            missing.remove(type(message))
        if not missing:
            return came
    raise AssertionError(f"the server closed; missing: {missing}")


async def test_what_a_note_says_about_the_question_is_told_by_the_character(tmp_path: Path, notes: Path) -> None:
    config = ConfigManager(parse(CONFIG, "neko.toml"), OverrideStore.in_folder(tmp_path))
    async with (
        open_house(config, host="127.0.0.1", port=0, on_progress=lambda *_: None, agents=True) as house,
        trio.open_nursery() as nursery,
        connect(house.url, "Yui") as client,
    ):
        assert house.agents.bridge is not None
        at = house.agents.bridge.endpoints
        command = [sys.executable, str(EXAMPLE), str(notes), "--results", at.result_pull, "--requests", at.analyze_push]
        agent: trio.Process = await nursery.start(
            partial(trio.run_process, command, stdout=subprocess.PIPE, check=False)
        )
        with trio.fail_after(SOON_S):
            await client.start(InputType.TEXT)
            await until(client, AgentStatusUpdate)
            await client.send_text("When does the dentist expect me?")
            came = await until(client, TurnEnd, AgentNotification, AgentTaskUpdate, TurnEnd)
            async with httpx.AsyncClient(trust_env=False) as http:
                health = (await http.get(f"{house.url}/health")).json()
            await client.send_text("Thank you.")
            came += await until(client, TurnEnd)
        [notification] = [each for each in came if isinstance(each, AgentNotification)]
        assert notification == AgentNotification(f"appointments: {APPOINTMENT}", "notes", "completed")
        turns = [type(each) for each in came if isinstance(each, ReplyText | TurnEnd)]
        assert turns == [ReplyText, TurnEnd] * 3  # the answer, what the note says, the answer
        tasks = [each.task["status"] for each in came if isinstance(each, AgentTaskUpdate)]
        assert tasks[-1] == "completed"
        assert str(agent.pid) in health["detail"]["agents"]
        assert house.managers["Yui"].pending_agent_callbacks.fates[Fate.TOLD] == 1
        nursery.cancel_scope.cancel()


async def test_a_folder_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLE), str(tmp_path / "nothing")]
    done = await trio.run_process(command, capture_stderr=True, check=False)
    assert done.returncode == 2
    assert b"is no folder" in done.stderr
