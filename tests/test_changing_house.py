"""A configuration that changes while people talk: who is told, who moves in, who is sent away."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import trio

from neko.app import NotReady, open_house
from neko.app.warm import Warm
from neko.client import connect
from neko.client.turn import one_turn
from neko.config.errors import ConfigError
from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.nurseries.manager import LLMSessionManager
from neko.protocol.client import InputType
from tests.watched_house import MIMI, PIRATE, SCRIPTED, SOON_S, YUI, a_watched_house
from tests.web_house import told

slow = pytest.mark.slow  # a change counts when the file has rested for 0.1 s

CLOUD = """
[providers.x]
kind = "openai"
url = "ws://127.0.0.1:1"
[characters.Yui]
provider = "x"
text_provider = "x"
"""
SECRET = "sk-live-4242-not-for-logs"


@pytest.fixture
def told_managers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The characters that were told that something has changed, in order."""
    names: list[str] = []
    monkeypatch.setattr(LLMSessionManager, "config_changed", lambda manager: names.append(manager.lanlan_name))
    return names


@slow
async def test_a_change_in_the_file_reaches_whom_it_touches(tmp_path: Path, told_managers: list[str]) -> None:
    async with a_watched_house(tmp_path, YUI + MIMI) as there:
        line = await there.write(PIRATE + MIMI)
        assert (line["touched"], line["added"], line["removed"]) == (["Yui"], [], [])
        assert told_managers == ["Yui"]
        assert (await there.character("Yui"))["prompt"] == "You are a pirate."
        await there.write(PIRATE + MIMI + "# nothing that matters\n")
        assert told_managers == ["Yui"]
        await there.write(PIRATE + MIMI + "[session]\nmax_turns = 3\n")
        assert sorted(told_managers[1:]) == ["Mimi", "Yui"]


@slow
async def test_a_broken_file_changes_nothing_until_it_is_mended(tmp_path: Path, told_managers: list[str]) -> None:
    async with a_watched_house(tmp_path, YUI) as there:
        line = await there.write(PIRATE + "voise = 'x'\n")
        assert (line["event"], line["level"]) == ("config.refused", "error")
        assert line["details"].startswith(f"{there.file}: unknown key characters.Yui.voise; did you mean voice?")
        assert line["details"].endswith("; what was in force stays in force")
        assert (await there.character("Yui"))["prompt"] == "You are a baker."
        assert told_managers == []
        await there.write(PIRATE)
        assert (await there.character("Yui"))["prompt"] == "You are a pirate."
        assert told_managers == ["Yui"]


@slow
async def test_a_voice_that_does_not_exist_is_refused_where_it_is_written(tmp_path: Path) -> None:
    async with a_watched_house(tmp_path, YUI) as there:
        there.house.change("Yui", {"language": "ja"})
        line = await there.write(PIRATE + 'tts = "foo"\n')
        assert line["details"].startswith(f'{there.file}: characters.Yui.tts is "foo", which is no voice engine')
        assert there.house.config.snapshot("Yui").character.prompt == "You are a baker."
        assert there.house.config.snapshot("Yui").character.language == "ja"


@slow
async def test_an_override_that_no_longer_fits_is_refused_where_it_is_kept(tmp_path: Path) -> None:
    async with a_watched_house(tmp_path, YUI + CLOUD.replace("Yui", "Mimi")) as there:
        there.house.change("Yui", {"provider": "x"})
        line = await there.write(YUI)
        assert line["details"].startswith(f"{there.house.config.store.path}: characters.Yui.provider")
        assert await there.names() == ["Yui", "Mimi"]


@slow
async def test_a_character_that_is_added_can_be_talked_to(tmp_path: Path) -> None:
    async with a_watched_house(tmp_path, YUI) as there:
        line = await there.write(YUI + MIMI)
        assert (line["touched"], line["added"], line["removed"]) == ([], ["Mimi"], [])
        assert await there.names() == ["Yui", "Mimi"]
        async with connect(there.house.url, "Mimi") as client:
            await client.start(InputType.TEXT)
            await client.send_text("Hello!")
            assert (await one_turn(client)).text.startswith("I am a scripted voice")


@slow
async def test_the_client_of_a_character_that_is_removed_is_sent_to_the_first_one(tmp_path: Path) -> None:
    async with (
        a_watched_house(tmp_path, MIMI + YUI) as there,
        there.web.socket("/ws/Mimi") as mimi,
        there.web.socket("/ws/Yui") as yui,
    ):
        for websocket in (mimi, yui):
            await websocket.send_message(b'{"action": "start_session", "input_type": "text"}'.decode())
            frames = [orjson.loads(await websocket.get_message()) for _ in range(2)]
            assert [frame["type"] for frame in frames] == ["session_preparing", "session_started"]
        gone = there.house.managers["Mimi"]
        await there.write(YUI)
        with trio.fail_after(SOON_S):
            frames, code = await told(mimi)
        ended, switched = (orjson.loads(frame) for frame in frames)
        assert ended["type"] == "session_ended_by_server"
        assert switched["type"] == "catgirl_switched"
        assert (switched["old_catgirl"], switched["new_catgirl"]) == ("Mimi", "Yui")
        assert (code, gone.is_active) == (4004, False)
        await yui.send_message('{"action": "ping"}')
        assert orjson.loads(await yui.get_message())["type"] == "pong"
        async with there.web.socket("/ws/Mimi") as late:
            assert (await told(late))[1] == 4004


@slow
async def test_a_client_without_a_session_is_sent_on_as_well_and_may_come_back(tmp_path: Path) -> None:
    async with a_watched_house(tmp_path, YUI + MIMI) as there:
        async with there.web.socket("/ws/Mimi") as mimi:
            await mimi.send_message('{"action": "ping"}')
            await mimi.get_message()
            await there.write(YUI)
            with trio.fail_after(SOON_S):
                frames, code = await told(mimi)
        assert [orjson.loads(frame)["type"] for frame in frames] == ["catgirl_switched"]
        assert code == 4004
        await there.write(YUI + MIMI)
        async with there.web.socket("/ws/Mimi") as mimi:
            await mimi.send_message('{"action": "ping"}')
            assert orjson.loads(await mimi.get_message())["type"] == "pong"


@slow
async def test_what_needs_a_restart_is_said_and_not_done(tmp_path: Path) -> None:
    async with a_watched_house(tmp_path, YUI) as there:
        server = '[server]\nmax_connections = 1\n[agents]\nsession_pub = "ipc://x"\n'
        await there.write(PIRATE + server)
        line = await there.log.next("config.needs_restart")
        assert (line["level"], line["sections"]) == ("warning", ["server", "agents"])
        assert there.house.config.configuration.server.max_connections == 256
        assert (await there.character("Yui"))["prompt"] == "You are a pirate."
        await there.house.embedded.warm()
        await there.write(PIRATE.replace("scripted", "other.gguf"))
        assert (await there.log.next("config.needs_restart"))["sections"] == ["providers.local"]


async def test_put_and_delete_reach_the_character(tmp_path: Path, told_managers: list[str]) -> None:
    async with a_watched_house(tmp_path, YUI + MIMI) as there:
        assert (await there.http.put("/api/characters/Yui", json={"prompt": "Hm."})).status_code == 200
        assert told_managers == ["Yui"]
        assert (await there.http.put("/api/characters/Yui", json={"prompt": "Hm."})).status_code == 200
        assert (await there.http.put("/api/characters/Yui", json={"voise": "x"})).status_code == 400
        assert told_managers == ["Yui"]
        back = await there.http.delete("/api/characters/Yui/overrides")
        assert (back.status_code, back.json()["prompt"]) == (200, "You are a baker.")
        assert told_managers == ["Yui", "Yui"]
        assert (await there.http.delete("/api/characters/Nobody/overrides")).status_code == 404


async def test_dropping_overrides_does_not_bring_back_a_voice_that_does_not_exist(tmp_path: Path) -> None:
    config = ConfigManager(parse(YUI + 'tts = "foo"', "neko.toml"), OverrideStore.in_folder(tmp_path), "neko.toml")
    config.change("Yui", {"tts": "tone"})
    async with open_house(config, host="127.0.0.1", port=0, on_progress=lambda *_: None) as house:
        with pytest.raises(ConfigError, match=r'^neko\.toml: characters\.Yui\.tts is "foo"'):
            house.drop_overrides("Yui")
        assert config.snapshot("Yui").character.tts == "tone"


@slow
async def test_engines_are_started_when_the_first_character_needs_them(tmp_path: Path) -> None:
    async with a_watched_house(tmp_path, CLOUD) as there:
        assert (await there.http.get("/health")).json() == {"status": "ok", "detail": {}}
        assert there.house.embedded.state is None
        await there.write(SCRIPTED + CLOUD + MIMI)
        with trio.fail_after(SOON_S):
            assert isinstance(await there.house.embedded.warm(), Warm)


@slow
async def test_engines_that_could_not_be_had_are_tried_again_with_the_mended_file(tmp_path: Path) -> None:
    async with a_watched_house(tmp_path, YUI.replace("scripted", "missing.gguf")) as there:
        with pytest.raises(NotReady):
            await there.house.ready()
        assert "missing.gguf" in (await there.http.get("/health")).json()["detail"]["embedded"]
        await there.write(PIRATE.replace("scripted", "missing.gguf"))
        await there.write(PIRATE)
        await there.log.next("engines.warm")
        assert (await there.http.get("/health")).json()["detail"] == {"embedded": "warm"}


@slow
@pytest.mark.parametrize(
    "line",
    [
        f'[providers.x]\nkind = "openai"\nurl = "ws://127.0.0.1:1"\napi_key_env = "{SECRET}"\n',
        f'[providers.x]\nkind = "openai"\nurl = "ws://127.0.0.1:1"\napi_key = "{SECRET}"\n',
        f'[providers.x]\nkind = "openai"\nurl = "http://u:{SECRET}@h/v1?key={SECRET}"\napi_key_env = "X"\n',
        f'[providers.x]\nkind = "openai"\nurl = "ws://127.0.0.1:1"\napi_key = "{SECRET}\n',
    ],
)
async def test_a_secret_in_a_broken_file_is_not_in_the_log(tmp_path: Path, line: str) -> None:
    async with a_watched_house(tmp_path, YUI) as there:
        refused = await there.write(YUI + line)
        assert refused["event"] == "config.refused"
        assert SECRET not in str(refused)
