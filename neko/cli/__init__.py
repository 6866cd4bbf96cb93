"""The `neko` command."""

from __future__ import annotations

from neko.cli.command import main

__all__ = ["main"]
