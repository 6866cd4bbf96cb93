"""The espeak-ng command, where it is installed: a hundred languages, without a network, and it sounds like a machine.

Its WAV on stdout, https://github.com/espeak-ng/espeak-ng/blob/master/src/espeak-ng.1.ronn.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import trio
from attrs import frozen

from neko.tts.errors import VoiceFailed, VoiceMissing, brief
from neko.tts.setup import PLAIN, Setup, own_or
from neko.tts.speakable import speakable
from neko.tts.voice import whole_samples
from neko.tts.wav import unwrapped

COMMAND = "espeak-ng"
ESPEAK_HZ = 22_050  # of all its own voices
PIECE = 16 * 1024  # bytes read at a time, a third of a second
GONE_WITHIN = 1.0  # seconds until a killed process is gone; the kernel needs a few milliseconds


@frozen
class EspeakVoice:
    """A `Voice`; `flags` are the command's own, such as `-s 150`."""

    name: str
    flags: tuple[str, ...] = ()
    rate: int = ESPEAK_HZ

    def synthesize(self, text: str) -> Iterator[bytes]:
        """One process for each text, killed when the iterator is closed; it makes a minute of speech in a second."""
        spoken = speakable(text)
        if not spoken:
            return
        command = [_installed(), "-v", self.name, *self.flags, "--stdin", "--stdout"]
        with _running(command) as process:
            trio.from_thread.run(_tell, process, spoken)
            _, pcm = unwrapped(COMMAND, iter(lambda: trio.from_thread.run(_hear, process), b""))
            yield from whole_samples(pcm, self.rate)
            trio.from_thread.run(_end, process)

    def check(self) -> str:
        """Where the command is. Raises `VoiceMissing`."""
        return f"{_installed()} is installed"


def open_voice(voice_id: str, setup: Setup = PLAIN) -> EspeakVoice:
    """Any of the command's voices (`espeak-ng --voices`); "default" is the character's language.

    Each option is one of the command's flags: `s = 150` is `-s 150`.
    """
    flags = (part for flag, value in setup.settings.options.items() for part in (f"-{flag}", str(value)))
    return EspeakVoice(own_or(setup.language, voice_id), tuple(flags))


def _installed() -> str:
    path = shutil.which(COMMAND)
    if path is None:
        raise VoiceMissing(COMMAND, how=f"install {COMMAND} with your system's package manager")
    return path


@contextmanager
def _running(command: list[str]) -> Iterator[trio.Process]:
    process = trio.from_thread.run(_start, command)
    try:
        yield process
    finally:
        trio.from_thread.run(_kill, process)


async def _start(command: list[str]) -> trio.Process:
    pipe = subprocess.PIPE
    return await trio.lowlevel.open_process(command, stdin=pipe, stdout=pipe, stderr=pipe)


async def _tell(process: trio.Process, text: str) -> None:
    assert process.stdin is not None
    try:
        async with process.stdin:
            await process.stdin.send_all(text.encode())
    except trio.BrokenResourceError:
        pass  # what it says of that comes on its other pipe


async def _hear(process: trio.Process) -> bytes:
    assert process.stdout is not None
    return bytes(await process.stdout.receive_some(PIECE))


async def _end(process: trio.Process) -> None:
    assert process.stderr is not None
    said = await process.stderr.receive_some(PIECE)
    if await process.wait():
        raise VoiceFailed(COMMAND, f"ended with {process.returncode} ({brief(said.decode(errors='replace'))})", True)


async def _kill(process: trio.Process) -> None:
    with trio.move_on_after(GONE_WITHIN, shield=True):
        process.kill()
        await process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe is not None
            await pipe.aclose()
