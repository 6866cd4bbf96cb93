"""The sound card: what the microphone hears goes into a channel, what is played comes from a `Playout`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import trio
from attrs import frozen

from neko.protocol.codec import SPEECH_HZ

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neko.cli.playout import Heard, Playout

BLOCK_MS = 20
MICROPHONE_BACKLOG = 50  # 1 s of 20 ms blocks; older sound is worthless, the oldest goes first
REPORT_BACKLOG = 8  # reports of what was heard; a newer one says more, the oldest goes first

Item = TypeVar("Item")


class NoSound(Exception):
    """There is no way to the sound card; `str()` says why and what to install."""


@frozen
class SoundCard:
    """An open microphone and loudspeaker."""

    microphone_hz: int
    microphone: trio.MemoryReceiveChannel[bytes]  # PCM16 mono, 20 ms each
    heard: trio.MemoryReceiveChannel[Heard]


@contextmanager
def open_sound_card(playout: Playout) -> Iterator[SoundCard]:
    """The default microphone and loudspeaker of this machine, until the context is left.

    Raises:
        NoSound: without the `microphone` extra, without PortAudio, or without a device.
    """
    sounddevice = _load()
    send_block, microphone = trio.open_memory_channel[bytes](MICROPHONE_BACKLOG)
    send_heard, heard = trio.open_memory_channel["Heard"](REPORT_BACKLOG)
    token = trio.lowlevel.current_trio_token()

    # Both run in a thread of PortAudio, which must never wait.
    def record(block: Any, *_: Any) -> None:
        token.run_sync_soon(_newest, send_block, microphone, bytes(block))

    def play(block: Any, *_: Any) -> None:
        block[:], report = playout.pull(len(block))
        if report is not None:
            token.run_sync_soon(_newest, send_heard, heard, report)

    try:
        rate = int(sounddevice.query_devices(kind="input")["default_samplerate"])
        common = {"channels": 1, "dtype": "int16"}
        with (
            sounddevice.RawInputStream(samplerate=rate, blocksize=rate * BLOCK_MS // 1000, callback=record, **common),
            sounddevice.RawOutputStream(
                samplerate=SPEECH_HZ, blocksize=SPEECH_HZ * BLOCK_MS // 1000, callback=play, **common
            ),
        ):
            yield SoundCard(rate, microphone, heard)
    except sounddevice.PortAudioError as error:
        raise NoSound(f"the sound card cannot be used: {error}") from None


def _load() -> Any:
    try:
        import sounddevice
    except ImportError:
        raise NoSound("the microphone needs one more package: pip install 'neko[microphone]'") from None
    except OSError:
        raise NoSound("the microphone needs the PortAudio library (Debian and Ubuntu: libportaudio2)") from None
    return sounddevice


def _newest(send: trio.MemorySendChannel[Item], receive: trio.MemoryReceiveChannel[Item], item: Item) -> None:
    try:
        send.send_nowait(item)
    except trio.WouldBlock:
        receive.receive_nowait()
        send.send_nowait(item)
