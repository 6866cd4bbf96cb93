"""`neko say`: one turn, for scripts."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neko.cli.answer import answer_to_speech, answer_to_text
from neko.cli.failures import Failure, in_one_sentence
from neko.cli.house import Place, character_at, find_place
from neko.cli.logs import LogStyle, configure_logs
from neko.cli.options import config_option, log_option, url_option
from neko.cli.process import run_until_stopped
from neko.client import read_recording, write_wav

if TYPE_CHECKING:
    from neko.client import Recording


def _beside_something(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> Path | None:
    # Better now than after the turn.
    if path is not None and not path.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {str(path.parent)!r}")
    return path


@click.command(short_help="Say one thing to a character and print the answer.")
@click.argument("character")
@click.argument("text", required=False)
@click.option(
    "--audio",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="IN.wav",
    help="Say what is recorded in this file (WAV, FLAC, OGG or MP3, any rate) instead of a text, in real time.",
)
@click.option(
    "--wav",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    callback=_beside_something,
    metavar="OUT.wav",
    help="Save the spoken answer: 48 kHz, mono, 16 bit.",
)
@url_option
@config_option
@log_option
def say(
    character: str,
    text: str | None,
    audio: Path | None,
    wav: Path | None,
    url: str | None,
    config_file: Path | None,
    log_style: str,
) -> None:
    """Say TEXT, or a recording, to CHARACTER and print the answer."""
    with in_one_sentence(LogStyle(log_style)):
        if (text is None) == (audio is None):
            raise click.UsageError("say either a text or a recording (--audio IN.wav)")
        if text is not None and not text.strip():
            raise click.UsageError("the text is empty")
        question = read_recording(audio) if audio is not None else text or ""
        place = find_place(url, config_file, character)
        configure_logs(LogStyle(log_style), logging.WARNING)
        run_until_stopped(_say, place, character, question, wav)


async def _say(place: Place, character: str, question: str | Recording, wav: Path | None) -> None:
    async with character_at(place) as client:
        if isinstance(question, str):
            reply = await answer_to_text(client, question)
            # A script that gave a text wants the answer and nothing else.
            click.echo(reply.text)
        else:
            reply = await answer_to_speech(client, question)
            click.echo(f"you: {reply.heard}")
            click.echo(f"{character}: {reply.text}")
    if wav is not None:
        _save(wav, reply.speech)


def _save(wav: Path, speech: bytes) -> None:
    if not speech:
        raise Failure("the answer has no speech to save: this character speaks in text sessions only with a voice")
    try:
        write_wav(wav, speech)
    except OSError as error:
        raise Failure(f"{wav} cannot be written: {error.strerror}") from None
