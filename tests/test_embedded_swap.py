"""The embedded character becomes somebody else between two sentences, with real models and real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio
from attrs import field, frozen

from neko.audio.pcm import BYTES_PER_SAMPLE
from neko.client import Answer, CharacterClient, RecordedMicrophone, Reply, connect, read_recording
from neko.conversation.phrases import PhraseSplitter
from neko.local.models import QWEN_0_5B
from neko.local.weights import prepare
from neko.protocol.client import InputType
from neko.protocol.codec import SPEECH_HZ
from neko.protocol.server import ServerMessage, SessionSwapped, Status
from neko.tts.hibari import SPEEDS, open_voice

pytestmark = pytest.mark.slow

SPEECH = Path(__file__).parent / "speech"
PROMPT = "You are Yui, a cook. Answer in one short sentence."
CONFIGURATION = """
[server]
data_dir = '{folder}'
[providers.local]
kind = "local"
model = '{gguf}'
temperature = 0
[characters.Yui]
prompt = "{prompt}"
voice = "calm"
"""
PIRATE = "You are Redbeard, an old pirate. Your name is Redbeard. Answer in one short sentence."
WITHIN_S = 120.0  # a busy machine reads 20 tokens a second


@frozen
class Server:
    url: str
    process: trio.Process = field(repr=False)

    async def put(self, **keys: str) -> None:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as http:
            (await http.put("/api/characters/Yui", json=keys)).raise_for_status()

    async def swapped(self) -> None:
        """Returns when it has said so in its log."""
        await until(self.process.stderr, b"session.swapped")


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Server]:
    """`neko serve` with the small model, warm; it ends with exit status 0."""
    gguf = await prepare(QWEN_0_5B, lambda _done, _total: None)
    file = folder / "neko.toml"
    file.write_text(CONFIGURATION.format(folder=folder, gguf=gguf, prompt=PROMPT))
    command = [sys.executable, "-m", "neko.cli", "serve", "--port", "0", "--config", str(file)]
    async with trio.open_nursery() as nursery:
        run = partial(trio.run_process, command, stdin=b"", stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        process: trio.Process = await nursery.start(run)
        announced = await until(process.stdout, b"is ready: talk at ")
        yield Server(next(word for word in announced.split() if word.startswith("http")), process)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def until(stream: trio.abc.ReceiveStream | None, wanted: bytes) -> str:
    """What comes until that has come."""
    assert stream is not None
    got = b""
    while wanted not in got:
        piece = await stream.receive_some()
        assert piece, got
        got += piece
    return got.decode()


@frozen
class Talk:
    """`neko talk --text` of somebody who types."""

    process: trio.Process

    async def ask(self, line: str) -> str:
        assert self.process.stdin is not None
        await self.process.stdin.send_all(line.encode() + b"\n")
        return await until(self.process.stdout, b"\n")


@asynccontextmanager
async def talking(url: str) -> AsyncIterator[Talk]:
    """It ends when the typing does, with exit status 0 and without a complaint."""
    command = [sys.executable, "-m", "neko.cli", "talk", "Yui", "--text", "--url", url]
    pipe = subprocess.PIPE
    process = await trio.lowlevel.open_process(command, stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdin is not None
    assert process.stderr is not None
    try:
        async with process.stdin:
            yield Talk(process)
        complaints = b"".join([piece async for piece in process.stderr])
        assert (await process.wait(), complaints) == (0, b"")
    finally:
        process.kill()
        with trio.move_on_after(2, shield=True):
            await process.wait()
            await process.stderr.aclose()


async def test_another_personality_between_two_typed_sentences(tmp_path: Path) -> None:
    with trio.fail_after(WITHIN_S):
        async with serving(tmp_path) as server, talking(server.url) as talk:
            before = await talk.ask("My cat is called Whiskers.")
            await server.put(prompt=PIRATE, voice="lively")
            await server.swapped()
            after = await talk.ask("What is your name?")
            of_the_cat = await talk.ask("What is my cat called?")
    assert "Redbeard" not in before
    assert "Redbeard" in after
    assert "Whiskers" in of_the_cat


async def test_another_voice_between_two_spoken_questions(tmp_path: Path) -> None:
    got: list[ServerMessage] = []
    name, fish = (read_recording(SPEECH / f"hib{n}.wav") for n in (0, 1))  # what is your name, do you like fish
    with trio.fail_after(WITHIN_S):
        async with serving(tmp_path) as server, connect(server.url, "Yui") as client:
            await client.start(InputType.AUDIO)
            microphone = RecordedMicrophone(client, name.sample_rate)
            async with microphone.listening():
                microphone.say(fish.pcm)
                calm = await answer(client, got)
                await server.put(prompt=PIRATE, voice="lively")
                await server.swapped()
                microphone.say(name.pcm)
                lively = await answer(client, got)
    assert (pace(calm), pace(lively)) == ("calm", "lively")
    assert ("Redbeard" in calm.text, "Redbeard" in lively.text) == (False, True)
    swaps = [(each.reason, each.gap_ms, each.lost_ms) for each in got if isinstance(each, SessionSwapped)]
    assert swaps == [("config", 0.0, 0.0)]
    assert not [message for message in got if isinstance(message, Status)]


async def answer(client: CharacterClient, got: list[ServerMessage]) -> Reply:
    taking = Answer()
    async for message in client:
        got.append(message)
        reply = taking.take(message, trio.current_time())
        if reply is not None:
            return reply
    raise AssertionError(got)


def pace(reply: Reply) -> str:
    """The voice that takes as long for these words; its three differ in nothing else."""
    spoken_s = len(reply.speech) / BYTES_PER_SAMPLE / SPEECH_HZ
    return min(SPEEDS, key=lambda voice_id: abs(direct_s(voice_id, reply.text) - spoken_s))


def direct_s(voice_id: str, text: str) -> float:
    splitter, voice = PhraseSplitter(), open_voice(voice_id)
    phrases = [*splitter.push(text), *splitter.finish()]
    size = sum(len(pcm) for phrase in phrases for pcm in voice.synthesize(phrase.spoken))
    return size / BYTES_PER_SAMPLE / voice.rate
