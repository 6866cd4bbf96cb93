"""A minute over real sockets whose TCP connection is reset every two seconds: both ends get what they get uncut."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio
from attrs import asdict, define, field

from neko.app import open_house
from neko.client import CharacterClient, stay_connected
from neko.config.manager import ConfigManager
from neko.config.read import parse
from neko.config.store import OverrideStore
from neko.protocol.client import AudioFraming, InputType
from neko.protocol.server import AudioChunk, Pong, ReplyText, ServerMessage, TurnEnd, UserActivity, UserTranscript
from neko.testing import Behaviour, Faults, Provider, TagReader, open_provider, open_proxy, tag

pytestmark = pytest.mark.slow

SECONDS = 60
MIC_HZ = 16_000
FRAME_S = 0.04
TURN_S = 6  # one second of speech, five of silence; in every other turn the person cuts in on the answer
NOTES = (100, 700, 1_300)  # frames at which something is typed: four seconds after a turn without cutting in
CONFIG = """
[session]
prepare = "due"
max_turns = 0
[providers.x]
kind = "openai"
url = "{}"
[characters.Yui]
provider = "x"
text_provider = "x"
voice = "alloy"
"""


@define
class Run:
    messages: list[ServerMessage] = field(factory=list)
    tags: list[int] = field(factory=list)  # of the microphone, at the provider
    typed: list[str] = field(factory=list)
    connections: int = 0
    breaks: int = 0

    @property
    def speech(self) -> list[int]:
        """The tagged blocks that the person heard."""
        return TagReader(48_000).push(b"".join(each.pcm for each in self.messages if isinstance(each, AudioChunk)))

    def story(self) -> list[tuple[str, dict[str, object]]]:
        """What was said and what became of it; ids by the order in which they came, sound as its length."""
        ids: dict[str, str] = {}
        story = []
        for message in self.messages:
            if isinstance(message, UserTranscript | ReplyText | AudioChunk | UserActivity | TurnEnd):
                fields = asdict(message)
                for name in ("turn_id", "speech_id", "interrupted_speech_id"):
                    if fields.get(name) is not None:
                        fields[name] = ids.setdefault(fields[name], f"{name}_{len(ids)}")
                story.append((type(message).__name__, fields))
        return story


def speaking(at_s: float) -> bool:
    """Whatever cuts in on an answer, spoken or typed, comes 1.8 s or more after it has begun: a busy machine may take a
    second to come back, and what waits to be sent when somebody cuts in is not sent, as it should be.
    """
    turn, at = divmod(at_s, TURN_S)
    return at < 1 or (turn % 2 == 1 and 3.1 <= at < 3.6)


async def play(folder: Path, framing: AudioFraming, faults: Faults) -> Run:
    behaviour = Behaviour(
        silence_ms=300, transcripts=tuple(f"utterance {number}" for number in range(40)), response_ms=3_000
    )
    run = Run()
    async with open_provider(behaviour) as provider:
        config = ConfigManager(parse(CONFIG.format(provider.url), "neko.toml"), OverrideStore.in_folder(folder))
        async with open_house(config, host="127.0.0.1", port=0, on_progress=lambda *_: None) as house:
            port = urlsplit(house.url).port
            assert port is not None
            async with open_proxy("127.0.0.1", port, faults) as proxy:
                await converse(run, proxy.through(house.url), framing)
                run.connections = proxy.connections
        heard(run, provider)
    return run


async def converse(run: Run, url: str, framing: AudioFraming) -> None:
    def broke(_: Exception) -> None:
        run.breaks += 1

    async with stay_connected(url, "Yui", framing=framing, on_break=broke) as client:
        await client.start(InputType.AUDIO)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, client, run)
            await talk(client)
            await trio.sleep(3)
            nursery.cancel_scope.cancel()


async def listen(client: CharacterClient, run: Run) -> None:
    async for message in client:
        if not isinstance(message, Pong):
            run.messages.append(message)


async def talk(client: CharacterClient) -> None:
    """In real time, as a microphone does."""
    begun = trio.current_time()
    for number in range(int(SECONDS / FRAME_S)):
        await trio.sleep_until(begun + number * FRAME_S)
        at_s = number * FRAME_S
        await client.send_audio(tag(4 * number, 4, MIC_HZ, voiced=speaking(at_s)), MIC_HZ)
        if number in NOTES:
            await client.send_text(f"note {number}", f"q{number}")


def heard(run: Run, provider: Provider) -> None:
    [session] = provider.sessions
    run.tags = session.tags
    items = [event["item"] for event in session.events("conversation.item.create")]
    run.typed = [part["text"] for item in items for part in item["content"] if item["role"] == "user"]


async def test_a_minute_of_resets_is_that_of_an_uncut_run(tmp_path: Path) -> None:
    """All four at the same time: a minute is a minute."""
    runs: dict[tuple[AudioFraming, str], Run] = {}

    async def keep(framing: AudioFraming, name: str, faults: Faults) -> None:
        runs[framing, name] = await play(tmp_path / framing / name, framing, faults)

    async with trio.open_nursery() as nursery:
        for framing in AudioFraming:
            nursery.start_soon(keep, framing, "whole", Faults())
            nursery.start_soon(keep, framing, "cut", Faults(cut_every_s=2.0))
    for framing in AudioFraming:
        compare(runs[framing, "whole"], runs[framing, "cut"])


def compare(whole: Run, cut: Run) -> None:
    assert (whole.connections, whole.breaks) == (1, 0)
    assert cut.breaks >= SECONDS / 2.6
    assert cut.tags == whole.tags
    assert cut.tags == list(range(len(cut.tags)))
    assert len(cut.tags) >= SECONDS * 100 - 10  # the last of it may still be joined or resampled when the client leaves
    assert cut.typed == whole.typed == [f"note {number}" for number in NOTES]
    assert cut.story() == whole.story()
    assert cut.speech == whole.speech
    assert len(cut.speech) > 1_000
    cut_in = [each for each in cut.messages if isinstance(each, UserActivity) and each.interrupted_speech_id]
    assert len(cut_in) >= 4
