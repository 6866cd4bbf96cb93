"""`neko import`: the characters of a N.E.K.O. installation become a `neko.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neko.cli.failures import Failure, WrongCommand, in_one_sentence
from neko.importing.carry import carry_over
from neko.importing.installation import read_installation

if TYPE_CHECKING:
    from neko.importing.carry import Imported
    from neko.importing.installation import Installation

STDOUT = Path("-")


@click.command("import", short_help="Carry characters over from N.E.K.O.")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("neko.toml"),
    show_default=True,
    help="Where to write; - writes to stdout.",
)
@click.option(
    "--language", default="", metavar="TAG", help="What the characters speak, such as zh or ja; else English."
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def import_(folder: Path, output: Path, language: str, force: bool) -> None:
    """Read characters.json, core_config.json and api_providers.json of the N.E.K.O. installation in FOLDER and write a
    neko.toml with the same characters, providers and voice.

    Keys are not copied: each is named by an environment variable, and what has to be set is printed. So is everything
    that could not be carried over. FOLDER is only read.
    """
    with in_one_sentence():
        if output != STDOUT and output.exists() and not force:
            raise WrongCommand(f"{output} is there already; name another --output, or replace it with --force")
        installation = read_installation(folder)
        imported = carry_over(installation, language)
        _write(imported.toml, output)
        _tell(imported, installation, output)


def _write(toml: str, output: Path) -> None:
    if output == STDOUT:
        click.echo(toml, nl=False)
        return
    try:
        output.write_text(toml, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{output} cannot be written: {error.strerror}") from error


def _tell(imported: Imported, installation: Installation, output: Path) -> None:
    """On stderr: stdout may be the file."""
    many = len(imported.characters)
    where = "stdout" if output == STDOUT else output
    click.echo(f"{many} character{'s' * (many != 1)} in {where}: {', '.join(imported.characters)}", err=True)
    for secret in imported.secrets:
        source = f"{secret.field} of {installation.core_file}" if secret.field else "your key: none was there"
        click.echo(f"Set {secret.variable} to {source}", err=True)
    click.echo("Not carried over:", err=True)
    for each in imported.left:
        click.echo(f"- {each}", err=True)
