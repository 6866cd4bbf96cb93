"""A spoken conversation: the microphone to the character, its speech to the loudspeaker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from neko.cli.start import start_session
from neko.client import SessionEnded
from neko.protocol.client import InputType
from neko.protocol.server import AudioChunk, UserActivity

if TYPE_CHECKING:
    from neko.cli.playout import Playout
    from neko.cli.screen import Screen
    from neko.cli.sound import SoundCard
    from neko.client import CharacterClient


async def talk_spoken(client: CharacterClient, screen: Screen, card: SoundCard, playout: Playout) -> None:
    """Until cancelled. Raises `ClientError` when the server ends it."""
    await start_session(client, InputType.AUDIO)
    screen.note("Speak; Ctrl-C ends the conversation. With headphones the character does not hear itself.")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_listen, client, screen, playout)
        nursery.start_soon(_hear, client, card)
        nursery.start_soon(_report, client, card)


async def _listen(client: CharacterClient, screen: Screen, playout: Playout) -> None:
    async for message in client:
        match message:
            case AudioChunk():
                playout.push(message)
            case UserActivity():
                playout.stop()
            case _:
                screen.show(message)
    raise SessionEnded("the server ended the conversation")


async def _hear(client: CharacterClient, card: SoundCard) -> None:
    async for block in card.microphone:
        await client.send_audio(block, card.microphone_hz)


async def _report(client: CharacterClient, card: SoundCard) -> None:
    async for heard in card.heard:
        await client.report_playback(heard.speech_id, heard.played_ms)
