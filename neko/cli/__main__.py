"""`python -m neko.cli`, for places where the `neko` script is not on the path."""

from __future__ import annotations

from neko.cli.command import main

main(prog_name="neko")
