"""Where the configuration is, and where data goes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from neko.config.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neko.config.model import Server

FILE = "neko.toml"


def find_configuration(explicit: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file to read: `--config`, `$NEKO_CONFIG`, `./neko.toml`, the user's folder; None means the built-in one.

    ConfigError when a file that was asked for does not exist.
    """
    if explicit is not None:
        return _existing(explicit, "--config")
    if named := environ.get("NEKO_CONFIG"):
        return _existing(Path(named), "$NEKO_CONFIG")
    return next((place for place in usual_places() if place.is_file()), None)


def usual_places() -> tuple[Path, ...]:
    """Where a file is taken from that nobody has named, the first before the others."""
    return Path(FILE), platformdirs.user_config_path("neko", appauthor=False) / FILE


def data_folder(server: Server, environ: Mapping[str, str]) -> Path:
    """Where conversations and overrides are kept: `$NEKO_DATA`, `server.data_dir`, the user's data folder."""
    named = _named_folder(server, environ)
    return Path(os.path.expanduser(named)) if named else platformdirs.user_data_path("neko", appauthor=False)


def names_data_folder(server: Server, environ: Mapping[str, str]) -> bool:
    """Somebody has chosen the folder."""
    return bool(_named_folder(server, environ))


def _named_folder(server: Server, environ: Mapping[str, str]) -> str:
    return environ.get("NEKO_DATA") or server.data_dir


def _existing(path: Path, asked_by: str) -> Path:
    if not path.is_file():
        raise ConfigError(str(path), f"there is no such file ({asked_by} names it)")
    return path
