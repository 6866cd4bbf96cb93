"""The espeak-ng command: what it is told, what is heard of it, and that it does not outlive its sentence."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import trio

from neko.config.model import VoiceSettings
from neko.tts.setup import Setup
from neko.tts.signals import Began, Ended, Failed, Ready
from neko.tts.worker import get_tts_worker
from tests.voice_stage import Speech

# Says its own arguments and what it read, as the samples of a WAV whose header knows no length.
COMMAND = """#!{python} -S
import os, struct, sys
text = sys.stdin.read()
{trouble}
said = " ".join([*sys.argv[1:], text]).encode()
head = struct.pack("<HHIIHH", 1, 1, 22050, 44100, 2, 16)
sys.stdout.buffer.write(b"RIFF" + struct.pack("<I", 0x7FFFF024) + b"WAVE")
sys.stdout.buffer.write(b"fmt " + struct.pack("<I", len(head)) + head + b"LIST" + struct.pack("<I", 4) + b"INFO")
sys.stdout.buffer.write(b"data" + struct.pack("<I", 0x7FFFF000) + said)
sys.stdout.flush()
{then}
"""
INTERRUPTED_WITHIN = 0.05  # seconds


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("PATH", str(tmp_path))
    return Command(tmp_path)


class Command:
    def __init__(self, folder: Path) -> None:
        self.path, self._begun = folder / "espeak-ng", folder / "begun"

    def install(self, *, trouble: str = "", then: str = "") -> None:
        self.path.write_text(COMMAND.format(python=sys.executable, trouble=trouble, then=then))
        self.path.chmod(0o755)

    @property
    def hangs(self) -> str:
        """What it does when it does nothing more; see `process`."""
        os.mkfifo(self._begun)
        return f"import time; print(os.getpid(), file=open({str(self._begun)!r}, 'w'), flush=True); time.sleep(60)"

    async def process(self) -> int:
        """Waits until it hangs."""
        return int(await trio.to_thread.run_sync(self._begun.read_text))


def espeak(voice_id: str = "default", language: str = "de", **options: object) -> Speech:
    setup = Setup(VoiceSettings(kind="espeak", options=options), language)
    return Speech(get_tts_worker("espeak").open_voice(voice_id, setup))


@pytest.mark.slow
async def test_it_speaks_the_language_of_the_character_or_the_voice_that_it_names(command: Command) -> None:
    command.install()
    said = b"-v de --stdin --stdout Guten Tag!"
    assert await espeak().say("*Guten* Tag!") == [
        Ready(22_050),
        Began("*Guten* Tag!"),
        said[: len(said) // 2 * 2],
        Ended(),
    ]
    said = b"-v en-us+f3 -s 150 -p 60 --stdin --stdout Hi!"
    assert (await espeak("en-us+f3", s=150, p=60).say("Hi!"))[2] == said[: len(said) // 2 * 2]


@pytest.mark.slow
async def test_what_it_complains_of_is_told(command: Command) -> None:
    command.install(trouble='sys.exit("Error: The specified espeak-ng voice does not exist.")')
    failed = [each.why for each in await espeak("klingon").say("Hi.") if isinstance(each, Failed)]
    assert failed == ["espeak-ng ended with 1 (Error: The specified espeak-ng voice does not exist.)"]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["trouble", "then"])
async def test_an_interruption_kills_it(command: Command, where: str) -> None:
    command.install(**{where: command.hangs})
    speech = espeak()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speech.run)
        await speech.texts.send("Guten Tag!")
        with trio.fail_after(10):
            process = await command.process()
        nursery.cancel_scope.cancel()
        began = trio.current_time()
    assert trio.current_time() - began < INTERRUPTED_WITHIN
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


async def test_without_the_command_it_says_what_to_install(command: Command) -> None:
    (failed,) = (each for each in await espeak().say("Hi.") if isinstance(each, Failed))
    assert failed.why == (
        "the voice needs espeak-ng, which is not installed: install espeak-ng with your system's package manager"
    )
