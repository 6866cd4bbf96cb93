"""The command line: exit statuses, one sentence on stderr, and what each command does with a server."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import orjson
import pytest
import soundfile
import trio
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from neko.cli import main
from neko.cli.failures import Failure, in_one_sentence
from neko.cli.progress import LONG, ProgressBars
from neko.client import Unauthorized
from neko.protocol.client import InputMode, InputType, MicFormat, Microphone, StartSession, TypedText
from neko.protocol.errors import StatusCode
from neko.protocol.server import CharacterSwitched, SessionFailed, Status
from tests.character_server import PCM, Peer, character_server, spoken_answer, typed_answers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture(autouse=True)
def a_machine_without_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("NEKO_CONFIG", "NEKO_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("HOME", "XDG_CONFIG_HOME", "NEKO_DATA"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.chdir(tmp_path)


def neko(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


async def neko_process(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own, for what needs a Trio loop, signals or a real stdin."""
    command = [sys.executable, "-m", "neko.cli", *arguments]
    run = partial(trio.run_process, capture_stdout=True, capture_stderr=True, check=False)
    with trio.fail_after(60):
        return await run(command, stdin=stdin.encode(), env={**os.environ, "PYTHONIOENCODING": "utf-8"})


@pytest.mark.parametrize("command", [[], ["serve"], ["talk"], ["say"], ["check"], ["bench"], ["bench", "voice"]])
def test_help_everywhere(command: list[str]) -> None:
    result = neko(*command, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: main {' '.join(command)}".rstrip())


def test_version() -> None:
    result = neko("--version")
    assert (result.exit_code, result.stdout.split()[0]) == (0, "neko")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["frobnicate"], "No such command"),
        (["serve", "--port", "many"], "--port"),
        (["serve", "--audio-frames", "mp3"], "'base64', 'binary'"),
        (["serve", "--log", "xml"], "'text', 'json'"),
        (["say"], "CHARACTER"),
        (["say", "Yui"], "either a text or a recording"),
        (["say", "Yui", "hello", "--audio", __file__], "either a text or a recording"),
        (["say", "Yui", " "], "the text is empty"),
        (["say", "Yui", "--audio", "missing.wav"], "missing.wav"),
        (["say", "Yui", "--audio", __file__], "cannot be read as sound"),
        (["say", "Yui", "hello", "--wav", "nowhere/answer.wav"], "no folder 'nowhere'"),
        (["say", "Nobody", "hello"], "'Nobody'; accepted: Yui"),
        (["talk", "Nobody"], "'Nobody'; accepted: Yui"),
        (["say", "Yui", "hello", "--url", "localhost:1"], "no server address"),
        (["talk", "--url", "ws://127.0.0.1:1"], "names no character"),
        (["bench", "voice"], "--speech"),
        (["check", "--config", "missing.toml"], "missing.toml: there is no such file"),
    ],
)
def test_a_wrong_command_line_is_2_and_a_sentence(arguments: Sequence[str], sentence: str) -> None:
    result = neko(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert sentence in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("command", [["serve"], ["check"], ["talk"], ["say", "Yui", "hello"]])
def test_a_typing_error_in_the_configuration_names_file_and_key(command: list[str], tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text("[server]\nprot = 1\n")
    result = neko(*command, "--config", str(file))
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert f"{file}: unknown key server.prot; did you mean port?" in line


def test_the_configuration_is_found_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.toml").write_text("[characters.Mimi]\n")
    monkeypatch.setenv("NEKO_CONFIG", "mine.toml")
    assert "accepted: Mimi" in neko("say", "Yui", "hello").stderr


@pytest.mark.parametrize(
    ("arguments", "details"),
    [
        (["serve", "--config", "missing.toml"], "missing.toml: there is no such file"),
        (["say", "Nobody", "hello"], "'Nobody'; accepted: Yui"),
        (["say", "Yui"], "either a text or a recording"),
    ],
)
def test_a_failure_is_a_line_of_a_json_log(arguments: Sequence[str], details: str) -> None:
    result = neko(*arguments, "--log", "json")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    logged = orjson.loads(line)
    assert (logged["event"], logged["level"]) == ("command.failed", "error")
    assert details in logged["details"]


def test_a_server_that_wants_a_token_is_answered_with_its_variable() -> None:
    with pytest.raises(Failure, match="NEKO_TOKEN"), in_one_sentence():
        raise Unauthorized("the server wants another token")


def test_only_long_work_is_a_line_of_the_log() -> None:
    with capture_logs() as logged, ProgressBars() as bars:
        for done in (1, LONG):
            bars("weights", done, LONG)
            bars("a small model", done, LONG - 1)
    assert [(each["event"], each["what"]) for each in logged] == [("preparing", "weights")]


@pytest.mark.slow
async def test_a_busy_port_is_1_and_a_sentence() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with listeners[0]:
        result = await neko_process("serve", "--port", str(port))
    assert result.returncode == 1, result.stderr.decode()
    (line,) = result.stderr.decode().splitlines()
    assert f"127.0.0.1:{port}" in line


@pytest.mark.slow
async def test_say_a_text_prints_the_answer_and_saves_its_speech(tmp_path: Path) -> None:
    async with character_server(typed_answers) as server:
        result = await neko_process("say", "小天", "good morning", "--url", server.url, "--wav", "answer.wav")
    assert (result.returncode, result.stdout.decode(), result.stderr) == (0, "You said good morning\n", b"")
    assert server.peers[0].path == "/ws/%E5%B0%8F%E5%A4%A9"
    assert server.peers[0].got[1:] == [TypedText("good morning")]
    speech, rate = soundfile.read(tmp_path / "answer.wav", dtype="int16")
    assert (speech.tobytes(), rate) == (PCM + PCM, 48_000)


@pytest.mark.slow
async def test_say_a_recording_prints_both_sides(tmp_path: Path) -> None:
    loud = np.full((24_000, 2), [8_000, 4_000], dtype=np.int16)  # half a second of stereo at an unusual rate
    soundfile.write(tmp_path / "question.flac", loud, 48_000)
    async with character_server(spoken_answer) as server:
        result = await neko_process("say", "Yui", "--audio", "question.flac", "--url", server.url)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.decode() == "you: Hello, what is your name?\nYui: I am Yui.\n"
    start, rate, *frames = server.peers[0].got
    assert isinstance(start, StartSession)
    assert (start.input_type, rate) == (InputType.AUDIO, MicFormat(48_000))
    heard = b"".join(frame.pcm for frame in frames if isinstance(frame, Microphone))
    mono = np.full(24_000, 6_000, dtype="<i2").tobytes()
    assert heard.startswith(mono)
    assert set(heard[len(mono) :]) == {0}


@pytest.mark.slow
async def test_say_to_nobody_unknown_and_refusing_servers() -> None:
    async def unknown(peer: Peer) -> None:
        await peer.say(CharacterSwitched("Mimi", "Yui"))
        await peer.websocket.aclose(4004)

    async def refusing(peer: Peer) -> None:
        await peer.receive()
        await peer.say(Status(StatusCode.API_KEY_REJECTED, "openai refused the key"), SessionFailed(InputMode.TEXT))

    async def say_to(url: str) -> tuple[int, str]:
        result = await neko_process("say", "Yui", "hello", "--url", url)
        (line,) = result.stderr.decode().splitlines()
        return result.returncode, line

    async with character_server(unknown) as server:
        assert await say_to(server.url) == (2, "Error: the server does not know this character; it has 'Mimi'")
    async with character_server(refusing) as server:
        assert await say_to(server.url) == (1, "Error: openai refused the key (API_KEY_REJECTED)")
    assert (await say_to(server.url))[1].startswith("Error: no neko server answers at ws://127.0.0.1")


@pytest.mark.slow
async def test_talk_answers_each_piped_line() -> None:
    async with character_server(typed_answers) as server:
        url = server.url.replace("http", "ws") + "/ws/Yui"
        result = await neko_process("talk", "--text", "--url", url, stdin="one\n\ntwo\r\nthree")
    answers = "Yui: You said one\nYui: You said two\nYui: You said three\n"
    assert (result.returncode, result.stdout.decode(), result.stderr) == (0, answers, b"")
    assert server.peers[0].got[1:] == [TypedText("one"), TypedText("two"), TypedText("three")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "remedy"),
    [("ImportError", "pip install 'neko[microphone]'"), ("OSError", "libportaudio2")],
)
async def test_talk_without_a_sound_card_says_why_and_types(error: str, remedy: str, tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text(f"raise {error}\n")  # `python -m` looks into this folder first
    async with character_server(typed_answers) as server:
        result = await neko_process("talk", "Yui", "--url", server.url, stdin="one\n")
    assert (result.returncode, result.stdout.decode()) == (0, "Yui: You said one\n")
    (line,) = result.stderr.decode().splitlines()
    assert remedy in line


@pytest.mark.slow
async def test_talk_ends_with_its_server() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept_start()
        await peer.receive()
        await peer.websocket.aclose(1012)

    async with character_server(script) as server:
        result = await neko_process("talk", "Yui", "--text", "--url", server.url, stdin="one\n")
    assert (result.returncode, result.stderr) == (1, b"Error: the server is shutting down\n")
