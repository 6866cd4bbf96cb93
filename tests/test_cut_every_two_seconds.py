"""Ten minutes over a connection that breaks every two seconds: nothing of it is heard, either way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
import trio
from attrs import asdict, define, field
from trio.testing import MockClock

from neko.client.character import CharacterClient
from neko.client.lasting import LastingLine
from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.nurseries.manager import LLMSessionManager
from neko.nurseries.ports import Ports
from neko.protocol.client import AudioFraming, InputType
from neko.protocol.server import AudioChunk, Pong, ServerMessage, SessionStarted, TurnEnd
from neko.realtime.session import (
    AudioDelta,
    Interrupt,
    ModelCommand,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    Say,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    UserSaid,
)
from neko.testing.fake_model import Happening
from neko.testing.tagged import TagReader, tag
from tests.cut_line import CutLines
from tests.mic_driven_model import HZ, MicDrivenModels

pytestmark = [pytest.mark.slow, pytest.mark.timeless]

MINUTES = 10
FRAME_S = 0.1
FRAMES = int(MINUTES * 60 / FRAME_S)
BLOCKS = int(FRAME_S * 100)
TURN_S = 6.0  # the person speaks for a second, hears three of an answer, and cuts in on every third
CHARACTER = "[session]\nprepare = 'due'\nmax_turns = 0\n[characters.Mimi]\n"


def turns() -> list[tuple[int, list[Happening]]]:
    """What the model says, by the samples that it has heard."""
    script: list[tuple[int, list[Happening]]] = []
    for number in range(int(MINUTES * 60 / TURN_S) - 1):
        begins = int(number * TURN_S * HZ)
        script += [
            (begins + HZ // 2, [SpeechStarted()]),
            (begins + HZ * 3 // 2, [SpeechStopped(), UserSaid(f"question {number}"), *answer(f"r{number}", number)]),
        ]
        if number % 3 == 2:
            script.append((begins + HZ * 9 // 4, [SpeechStarted(), SpeechStopped(), UserSaid(f"stop {number}")]))
    return script


def answer(reply: str, number: int) -> list[Happening]:
    sound = tag(number * 300, 300, HZ)  # three seconds
    deltas = [AudioDelta(reply, "i", sound[at : at + 1920]) for at in range(0, len(sound), 1920)]
    words: list[Happening] = [TextDelta(reply, "<hap"), TextDelta(reply, f"py> Answer {number}, "), *deltas[:30]]
    if number % 3 == 2:
        return [ReplyStarted(reply), *words]  # the rest is what the person does not let it say
    return [ReplyStarted(reply), *words, TextDelta(reply, "and the rest."), *deltas[30:], done(reply)]


def done(reply: str) -> ReplyDone:
    return ReplyDone(reply, ReplyStatus.COMPLETED)


def typed_answer(command: ModelCommand) -> Sequence[Happening]:
    match command:
        case Say(text, request_id):
            reply = f"to {text}"
            return ReplyStarted(reply, request_id), TextDelta(reply, f"You wrote {text}."), done(reply)
        case Interrupt(reply_id, running=True):
            return (ReplyDone(reply_id, ReplyStatus.CANCELLED),)
        case _:
            return ()


@define
class Heard:
    """Both ends of one run."""

    messages: list[ServerMessage] = field(factory=list)
    numbers: list[int] = field(factory=list)
    microphone: bytes = b""
    typed: list[str] = field(factory=list)
    dialled: int = 0

    @property
    def speech(self) -> bytes:
        return b"".join(each.pcm for each in self.messages if isinstance(each, AudioChunk))

    def story(self) -> list[tuple[str, dict[str, object]]]:
        """All messages, their ids by the order in which they came."""
        ids: dict[str, str] = {}
        story = []
        for message in self.messages:
            fields = asdict(message)
            for name in ("turn_id", "speech_id", "interrupted_speech_id", "session_id", "resume_token"):
                if fields.get(name) is not None:
                    fields[name] = ids.setdefault(fields[name], f"{name}_{len(ids)}")
            story.append((type(message).__name__, fields))
        return story


async def play(folder: Path, framing: AudioFraming, every_s: float | None) -> Heard:
    heard = Heard()
    models = MicDrivenModels(turns(), typed_answer)
    config = ConfigManager(parse(CHARACTER, "neko.toml"), OverrideStore.in_folder(folder))
    manager = LLMSessionManager("Mimi", config, Ports(models.connect, lambda *_: None))
    async with trio.open_nursery() as nursery:
        await nursery.start(manager.run)
        dial = CutLines(manager, AudioFraming.BASE64, every_s)
        line = LastingLine(dial, lambda _: None, Random(2).uniform)
        await nursery.start(line.run)
        client = CharacterClient(line, framing)
        await client.start(InputType.AUDIO)
        nursery.start_soon(listen, client, heard)
        await talk(client)
        await trio.sleep(20)
        heard.microphone = bytes(models.sessions[0].heard)
        heard.typed = [each.text for each in models.sessions[0].got if isinstance(each, Say)]
        assert len(models.sessions) == 1
        heard.dialled, heard.numbers = dial.dialled, dial.numbers
        nursery.cancel_scope.cancel()
    return heard


async def listen(client: CharacterClient, heard: Heard) -> None:
    async for message in client:
        if not isinstance(message, Pong):
            heard.messages.append(message)


async def talk(client: CharacterClient) -> None:
    begun = trio.current_time()
    for number in range(FRAMES):
        await trio.sleep_until(begun + number * FRAME_S)
        await client.send_audio(tag(number * BLOCKS, BLOCKS, HZ, voiced=False), HZ)
        if number % 300 == 299:
            await client.send_text(f"note {number}", f"q{number}")


@pytest.mark.parametrize("framing", list(AudioFraming))
async def test_ten_minutes_are_those_of_an_uncut_run(
    tmp_path: Path, autojump_clock: MockClock, framing: AudioFraming
) -> None:
    whole = await play(tmp_path / "whole", framing, None)
    cut = await play(tmp_path / "cut", framing, 2.0)
    assert whole.dialled == 1
    assert cut.dialled > MINUTES * 60 / 3
    assert cut.microphone == whole.microphone
    assert TagReader(HZ).push(cut.microphone) == list(range(FRAMES * BLOCKS))
    assert cut.typed == whole.typed
    assert len(cut.typed) == FRAMES // 300
    assert cut.story() == whole.story()
    assert cut.speech == whole.speech
    assert sum(isinstance(each, SessionStarted) for each in cut.messages) == 0
    ends = [each.interrupted for each in cut.messages if isinstance(each, TurnEnd)]
    assert ends.count(True) >= 30
    assert ends.count(False) >= 60
    assert cut.numbers == whole.numbers == list(range(1, len(cut.numbers) + 1))
