"""Voices on loopback: recorded exchanges with their vendors, the servers that play them, and lines to reach those."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import orjson
import trio
from attrs import define, field

from neko.app.voicing import dial_for
from neko.config.model import VoiceSettings
from neko.testing.voices.http import open_http_voice
from neko.testing.voices.record import VoiceServer
from neko.testing.voices.script import Hear, Script, Step
from neko.testing.voices.websocket import open_websocket_voice
from neko.tts import lines
from neko.tts.cast import Cast, Member
from neko.tts.lines import Lines
from neko.tts.setup import Setup
from neko.tts.signals import Response
from neko.tts.speaking import speak_in_order
from neko.tts.voice import Voice
from neko.tts.worker import get_tts_worker

FOLDER = Path(__file__).parent / "golden" / "tts"
KINDS = sorted(path.stem for path in FOLDER.glob("*.json"))


@define
class Golden:
    """One recorded exchange: what we say and what the vendor says, in order, and the sound that it amounts to."""

    kind: str
    source: str
    transport: str
    language: str
    voice: str
    options: dict[str, Any]
    text: str
    key: str | None
    base: str
    target: str
    headers: dict[str, str]
    exchange: list[dict[str, Any]]
    pcm: bytes = field(converter=base64.b64decode)

    @property
    def steps(self) -> tuple[Step, ...]:
        steps = tuple(_step(each) for each in self.exchange)
        return steps if self.transport == "websocket" else tuple(step for step in steps if not isinstance(step, Hear))

    @property
    def asked(self) -> list[Any]:
        return [each["client"] for each in self.exchange if "client" in each]

    @property
    def first_sound(self) -> int:
        """What the server has said when the first sound is out."""
        first = self.pcm[:7]
        sounds = (base64.b64encode(first).decode().rstrip("=")[:8], first.hex())
        said = [json.dumps(each) for each in self.exchange if "client" not in each]
        return 1 + next(number for number, each in enumerate(said) if any(sound in each for sound in sounds))

    def script(self, **how: Any) -> Script:
        return Script(steps=self.steps, **how)

    def serve(self, *scripts: Script) -> AbstractAsyncContextManager[VoiceServer]:
        opened: Callable[..., AbstractAsyncContextManager[VoiceServer]] = (
            open_websocket_voice if self.transport == "websocket" else open_http_voice
        )
        return opened(*scripts)

    def open(self, server: VoiceServer, lines: Lines) -> Voice:
        settings = VoiceSettings(kind=self.kind, url=server.url + self.base, options=self.options)
        return get_tts_worker(self.kind).open_voice(self.voice, Setup(settings, self.language, self.key, lines))


def golden(kind: str) -> Golden:
    return Golden(**json.loads((FOLDER / f"{kind}.json").read_text(encoding="utf-8")))


def matches(expected: Any, found: Any) -> bool:
    """Equal, where "*" stands for anything."""
    match expected:
        case "*":
            return True
        case dict():
            return (
                isinstance(found, dict)
                and expected.keys() == found.keys()
                and all(matches(expected[key], found[key]) for key in expected)
            )
        case list():
            return isinstance(found, list) and len(expected) == len(found) and all(map(matches, expected, found))
        case _:
            return bool(expected == found)


def open_lines() -> AbstractAsyncContextManager[Lines]:
    """As a house has them."""
    return lines.open_lines(dial_for, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


class Speech:
    """Voices at work, best first, and both ends of their queues."""

    def __init__(self, *voices: Voice, room: int = 1000) -> None:
        members = [Member(f"voice{number}", voice) for number, voice in enumerate(voices)]
        self.cast = Cast(tuple(members), trio.current_time)
        self.limiter = trio.CapacityLimiter(10)
        self._room = room
        self.begin()

    def begin(self) -> None:
        """A new utterance."""
        self.texts, self.requests = trio.open_memory_channel[str](0)
        self.responses, self.heard = trio.open_memory_channel[Response](self._room)

    async def run(self) -> None:
        await speak_in_order(self.cast, self.requests, self.responses, limiter=self.limiter)

    async def say(self, *texts: str) -> list[Response]:
        """One utterance, from its first signal to its last; sounds that follow each other are joined."""
        heard: list[Response] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.run)
            nursery.start_soon(self._ask, texts)
            async for response in self.heard:
                if isinstance(response, bytes) and heard and isinstance(heard[-1], bytes):
                    heard[-1] += response
                else:
                    heard.append(response)
        self.begin()
        return heard

    async def _ask(self, texts: tuple[str, ...]) -> None:
        async with self.texts:
            for text in texts:
                await self.texts.send(text)


def _step(each: dict[str, Any]) -> Step:
    match each:
        case {"client": _}:
            return Hear()
        case {"server": dict(message)}:
            return orjson.dumps(message).decode()
        case {"server_text": str(text)}:
            return text
        case {"server_base64": str(sound)}:
            return base64.b64decode(sound)
        case _:
            raise AssertionError(each)
