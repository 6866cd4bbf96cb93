"""`neko talk`: a conversation in the terminal."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from neko.cli.failures import in_one_sentence
from neko.cli.house import Place, character_at, find_place
from neko.cli.logs import LogStyle, configure_logs
from neko.cli.options import config_option, log_option, url_option
from neko.cli.playout import Playout
from neko.cli.process import Stopped, run_until_stopped
from neko.cli.screen import Screen
from neko.cli.sound import NoSound, open_sound_card
from neko.cli.spoken import talk_spoken
from neko.cli.typed import TypedConversation

if TYPE_CHECKING:
    from pathlib import Path

    from neko.client import CharacterClient


@click.command(short_help="Talk with a character by microphone, or typed.")
@click.argument("character", required=False)
@url_option
@click.option("--text", "typed", is_flag=True, help="Type instead of speaking.")
@config_option
@log_option
def talk(character: str | None, url: str | None, typed: bool, config_file: Path | None, log_style: str) -> None:
    """Talk with CHARACTER (the first one of the configuration) by microphone and loudspeaker, or typed.

    Without a microphone, or without the package for it (pip install 'neko[microphone]'), the conversation is typed.
    Typed lines may also come from a pipe: each is answered, and the command ends after the last one.
    """
    with in_one_sentence(LogStyle(log_style)):
        place = find_place(url, config_file, character)
        configure_logs(LogStyle(log_style), logging.WARNING)
        # Ctrl-C is how a conversation ends, so it is no failure.
        with suppress(Stopped):
            run_until_stopped(_talk, place, typed)


async def _talk(place: Place, typed: bool) -> None:
    screen = Screen(place.character)
    async with character_at(place, lambda lost: screen.note(f"{lost}; trying again…")) as client:
        if not typed:
            try:
                await _talk_aloud(client, screen)
            except NoSound as reason:
                screen.note(f"{reason}. Until then, type:")
        await TypedConversation(client, screen).run()


async def _talk_aloud(client: CharacterClient, screen: Screen) -> None:
    playout = Playout()
    with open_sound_card(playout) as card:
        await talk_spoken(client, screen, card, playout)
