"""The command line as a whole: its commands, and what `neko` without one does."""

from __future__ import annotations

import click

from neko.cli.bench import bench
from neko.cli.check import check
from neko.cli.importing import import_
from neko.cli.say import say
from neko.cli.serve import serve
from neko.cli.sim import sim
from neko.cli.talk import talk


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="neko", message="neko %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Talk with voice AI characters for as long as you like.

    Without a command: starts the server with the embedded provider and opens the page in the browser, which is
    `neko serve --open`. No key and no network are needed.

    Exit status: 0 when it did what was asked, 2 for a wrong command line or configuration, 1 otherwise.
    """
    if context.invoked_subcommand is None:
        context.invoke(serve, open_page=True)


for command in (serve, talk, say, check, import_, bench, sim):
    main.add_command(command)
