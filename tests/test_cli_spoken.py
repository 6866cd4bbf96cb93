"""A spoken conversation with a sound card that is none."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import pytest
import trio

from neko.audio.fade import faded_beginning
from neko.cli.playout import Playout
from neko.cli.screen import Screen
from neko.cli.sound import MICROPHONE_BACKLOG, NoSound, open_sound_card
from neko.cli.spoken import talk_spoken
from neko.client import connect
from neko.protocol.client import MicFormat, Microphone, Playback
from neko.protocol.codec import SPEECH_HZ
from neko.protocol.server import AudioChunk, ReplyText, TurnEnd, UserActivity
from tests.character_server import Peer, character_server

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = bytes(1_920)  # 20 ms at 48 kHz
SPEECH = b"\1\0" * 960


class PortAudioError(Exception):
    pass


class Stream:
    """A stream whose sound card is the test: it calls `callback` from a thread, as PortAudio does."""

    def __init__(self, *, samplerate: int, blocksize: int, callback: Callable[..., None], **_: Any) -> None:
        self.samplerate = samplerate
        self.block = bytes(blocksize * 2)
        self._callback = callback

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    async def turn_over(self, block: bytes) -> bytes:
        """What the callback leaves of a block."""
        buffer = bytearray(block)
        await trio.to_thread.run_sync(self._callback, buffer, len(block) // 2, None, None)
        return bytes(buffer)


class Card(SimpleNamespace):
    """Stands in for the module `sounddevice`."""

    def __init__(self) -> None:
        super().__init__(PortAudioError=PortAudioError)
        self.streams: dict[str, Stream] = {}

    def query_devices(self, *, kind: str) -> dict[str, float]:
        assert kind == "input"
        return {"default_samplerate": 44_100.0}

    def RawInputStream(self, **settings: Any) -> Stream:
        return self.streams.setdefault("in", Stream(**settings))

    def RawOutputStream(self, **settings: Any) -> Stream:
        return self.streams.setdefault("out", Stream(**settings))


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    card = Card()
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    return card


async def test_both_ways_and_a_barge_in(card: Card, capsys: pytest.CaptureFixture[str]) -> None:
    spoken, silent, played = trio.Event(), trio.Event(), trio.Event()

    async def script(peer: Peer) -> None:
        await peer.accept_start()
        assert await peer.receive() == MicFormat(44_100)
        assert await peer.receive() == Microphone(b"\2\0" * 882, 44_100)
        await peer.say(ReplyText("Once", True, "t1"), *[AudioChunk("s1", "t1", SPEECH)] * 20)
        spoken.set()
        assert await peer.receive() == Playback("s1", 200.0)
        await peer.say(UserActivity("s1"), TurnEnd("t1", interrupted=True))
        await silent.wait()
        await peer.say(AudioChunk("s2", "t2", SPEECH))
        while await peer.receive() != Playback("s2", 20.0):
            pass  # what else was heard of s1 before it fell silent
        played.set()
        await trio.sleep_forever()

    playout = Playout()
    async with character_server(script) as server, connect(server.url, "Yui") as client, trio.open_nursery() as nursery:
        with open_sound_card(playout) as sound:
            nursery.start_soon(talk_spoken, client, Screen("Yui"), sound, playout)
            await card.streams["in"].turn_over(b"\2\0" * 882)
            with trio.fail_after(5):
                await spoken.wait()
                heard = [await until_sound(card.streams["out"]) for _ in range(10)]
                after = await until_sound(card.streams["out"], other_than=SPEECH)
                silent.set()
                while not played.is_set():
                    heard.append(await card.streams["out"].turn_over(BLOCK))
        nursery.cancel_scope.cancel()
    assert heard[:10] == [SPEECH] * 10
    assert after == faded_beginning(SPEECH, SPEECH_HZ).ljust(len(BLOCK), b"\0")
    assert heard[10:].count(SPEECH) == 1
    assert capsys.readouterr().out == "Yui: Once…\n"


async def until_sound(out: Stream, *, other_than: bytes = BLOCK) -> bytes:
    while (block := await out.turn_over(BLOCK)) == other_than:
        await trio.lowlevel.checkpoint()
    return block


async def test_a_microphone_that_nobody_reads_keeps_the_newest(card: Card) -> None:
    with open_sound_card(Playout()) as sound:
        for number in range(MICROPHONE_BACKLOG + 3):
            await card.streams["in"].turn_over(bytes([number, 0]))
        await trio.testing.wait_all_tasks_blocked()
        kept = [sound.microphone.receive_nowait()[0] for _ in range(MICROPHONE_BACKLOG)]
    assert kept == list(range(3, MICROPHONE_BACKLOG + 3))


async def test_a_machine_without_a_device(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*, kind: str) -> dict[str, float]:
        raise PortAudioError(f"no default {kind} device")

    monkeypatch.setattr(card, "query_devices", none, raising=False)
    with pytest.raises(NoSound, match="no default input device"), open_sound_card(Playout()):
        pass
