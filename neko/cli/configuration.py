"""The configuration of a command that runs a house."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from attrs import evolve

from neko.config.find import data_folder, find_configuration
from neko.config.manager import ConfigManager
from neko.config.read import BUILT_IN, built_in, read_configuration
from neko.config.store import OverrideStore

if TYPE_CHECKING:
    from pathlib import Path

    from neko.config.model import AudioFrames


def load_configuration(explicit: Path | None, audio_frames: AudioFrames | None = None) -> ConfigManager:
    """What `--config` and the usual places say, with the overrides kept in the data folder. Raises ConfigError.

    `audio_frames` is the command line's word on server.audio_frames.
    """
    path = find_configuration(explicit, os.environ)
    configuration = built_in() if path is None else read_configuration(path)
    if audio_frames is not None:
        configuration = evolve(configuration, server=evolve(configuration.server, audio_frames=audio_frames))
    store = OverrideStore.in_folder(data_folder(configuration.server, os.environ))
    return ConfigManager(configuration, store, BUILT_IN if path is None else str(path))
